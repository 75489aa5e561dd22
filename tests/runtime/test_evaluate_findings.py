"""What evaluate tells: what could not be fitted on validation, and bounds that do not hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertspec.catalog.task import Task
from bertspec.catalog.tasks.multi_label_classification import MultiLabelClassification
from bertspec.catalog.tasks.question_answering import QuestionAnswering
from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.catalog.tasks.text_regression import TextRegression
from bertspec.catalog.tasks.token_classification import TokenClassification
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.errors import CheckFailed
from bertspec.pipeline.params.evaluate import Evaluation
from bertspec.runtime.evaluate_findings import broken, unfitted
from bertspec.runtime.examples import Examples
from tests.projects import SPEC, Project
from tests.stages import run_kinds
from tests.tasks.sequences import table, tokens


def _task(**options: Any) -> TextClassification:
    values = {"type": "text-classification", "labels": ["bad", "good"], **options}
    return TextClassification.model_validate(values)


def _found(task: Task, labels: list[Any], kind: pa.DataType, logits: Any) -> list[Diagnostic]:
    """What is told of validation rows with these labels, of which a model says these logits."""
    rows = table(labels, kind)
    made = tokens(task, rows)
    decision = task.decide(rows, made, [np.array(row, np.float32) for row in logits])
    return list(unfitted(task, Examples(rows, made), decision))


def test_a_temperature_of_one_label_is_not_fitted() -> None:
    logits = [[1, 0], [0, 1], [2, 1]]
    task = _task(calibration="temperature")
    (found,) = _found(task, ["bad"] * 3, pa.string(), logits)
    assert (found.code, found.severity) == ("E412", Severity.ERROR)
    assert "`task.calibration` is not fitted" in found.message
    assert "one label" in found.message
    assert _found(task, ["bad", "good", "bad"], pa.string(), logits) == []


def test_a_precision_that_no_threshold_gives_is_told() -> None:
    logits = [[0, 3], [0, 1], [1, 0]]
    task = _task(decision={"type": "precision", "at_least": 0.9})
    (found,) = _found(task, ["bad", "good", "bad"], pa.string(), logits)
    assert found.severity is Severity.ERROR
    assert "no threshold gives a precision of 0.9" in found.message
    assert _found(task, ["good", "bad", "bad"], pa.string(), logits) == []
    one_label = _task(decision={"type": "recall", "at_least": 0.9}, calibration="temperature")
    told = _found(one_label, ["good"] * 3, pa.string(), logits)
    assert [d.message.split("`")[1] for d in told] == ["task.calibration", "task.decision"]


def test_a_label_without_a_validation_row_is_a_warning() -> None:
    task = MultiLabelClassification(type="multi-label-classification", labels=("a", "b", "c"))
    (found,) = _found(task, [["a"], []], pa.list_(pa.string()), [[1, 0, 0], [0, 0, 0]])
    assert found.severity is Severity.WARNING
    assert found.message.endswith("it has no row with `b`, `c`; 0.5 holds instead")
    given = task.model_copy(update={"threshold": 0.4})
    assert _found(given, [["a"], []], pa.list_(pa.string()), [[1, 0, 0], [0, 0, 0]]) == []


@pytest.mark.parametrize(
    ("task", "severities"),
    [
        (_task(), []),
        (_task(calibration="temperature"), [Severity.ERROR]),
        (QuestionAnswering(type="question-answering"), [Severity.WARNING]),
        (QuestionAnswering(type="question-answering", null_threshold=1.0), []),
    ],
)
def test_without_a_validation_row_nothing_is_fitted(task: Task, severities: list[Severity]) -> None:
    found = list(unfitted(task, None, {}))
    assert [d.severity for d in found] == severities
    assert all("it has no row" in d.message for d in found)


def test_a_project_whose_validation_split_has_no_row(project: Project) -> None:
    split = SPEC["data"]["split"] | {"validation": 0.0001}
    spec = SPEC | {
        "task": SPEC["task"] | {"calibration": "temperature"},
        "data": SPEC["data"] | {"split": split},
        "training": SPEC["training"] | {"epochs": 1},
    }
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train")
    with pytest.raises(CheckFailed) as caught:
        run_kinds(project, "evaluate")
    assert [d.code for d in caught.value.diagnostics] == ["E412"]
    assert project.metrics()["test"]
    assert Path(project.root / "models/tiny/decision.json").read_text() == "{}\n"


def test_bounds_on_classes() -> None:
    task = TokenClassification(type="token-classification", labels=("PER", "v1.0", "none"))
    classes = {
        "PER": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "rows": 4},
        "v1.0": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "rows": 2},
        "none": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "rows": 0},
    }
    require = {
        "classes.PER.f1": ">= 0.6",
        "classes.v1.0.f1": ">= 0.6",
        "classes.none.recall": ">= 0.1",
        "f1": ">= 0.6",
    }
    options = Evaluation(metrics=("f1",), require=require)
    found = list(broken(task, options, {"test": {"f1": 0.7}, "classes": classes}))
    assert [(d.code, d.message.split()[0]) for d in found] == [
        ("E410", "classes.PER.f1"),
        ("E411", "classes.none.recall"),
    ]


def test_what_is_measured_of_classes_is_what_can_be_required() -> None:
    one = pa.table({"gold": ["bad"], "prediction": ["good"], "scores": [[0.25, 0.75]]})
    lists = pa.table({"gold": [["a"]], "prediction": [["b"]], "scores": [[0.25, 0.75]]})
    tags = pa.table({"gold": [["B-PER"]], "prediction": [["O"]]})
    pairs = pa.table({"gold": [[1.0, 2.0], [2.0, 3.0]], "prediction": [[1.0, 1.0], [2.0, 1.0]]})
    cases: list[tuple[Task, pa.Table]] = [
        (_task(), one),
        (MultiLabelClassification(type="multi-label-classification", labels=("a", "b")), lists),
        (TokenClassification(type="token-classification", labels=("PER", "LOC")), tags),
        (TextRegression(type="text-regression", targets=("x", "y")), pairs),
        (TextRegression(type="text-regression"), pairs),
    ]
    for task, predictions in cases:
        found = task.measure_classes(predictions)
        paths = {f"classes.{c}.{m}" for c, values in found.items() for m in values if m != "rows"}
        assert paths == set(task.class_paths())
