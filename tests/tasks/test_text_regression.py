"""Text regression: losses and metrics are those of transformers, scikit-learn and scipy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from sklearn import metrics

from bertspec.catalog.long_documents import Windows
from bertspec.catalog.task import LossOptions
from bertspec.catalog.tasks.text_regression import TextRegression
from bertspec.compiler.checks import load_checked
from bertspec.core.errors import InputError
from bertspec.runtime.inference import DRAW
from bertspec.runtime.predict import Predictor
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.batches import collate
from tests.model.models import build, prepare, scratch
from tests.projects import SPEC, Project
from tests.tasks.cases import Case
from tests.tasks.cases.text_regression import CASE
from tests.tasks.sequences import table, tokens
from tests.tasks.test_conformance import make_project

ONE = TextRegression(type="text-regression")
TWO = TextRegression(type="text-regression", targets=("clarity", "depth"))
LISTS = pa.list_(pa.string())
WINDOWS = Windows(type="windows", stride=2)
LONG = " ".join(f"w{i}" for i in range(40))


def _table(task: TextRegression, gold: np.ndarray, predicted: np.ndarray) -> pa.Table:
    return pa.table({"gold": task._column(gold), "prediction": task._column(predicted)})


def _expected(name: str, gold: np.ndarray, predicted: np.ndarray) -> float:
    columns = list(zip(gold.T, predicted.T, strict=True))
    if name in ("pearson", "spearman"):
        function = stats.pearsonr if name == "pearson" else stats.spearmanr
        return float(np.mean([function(*pair).statistic for pair in columns]))
    function = {
        "r2": metrics.r2_score,
        "mse": metrics.mean_squared_error,
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
    }[name]
    return float(function(gold, predicted, multioutput="uniform_average"))


@pytest.mark.parametrize("task", [ONE, TWO])
@pytest.mark.parametrize("name", TextRegression.metrics)
def test_metrics_are_those_of_scikit_learn_and_scipy(task: TextRegression, name: str) -> None:
    random = np.random.default_rng(5)
    gold = random.normal(3, 2, (40, len(task.names))).round(1)  # ties, for the ranks
    predicted = gold + random.normal(0, 1, gold.shape)
    rows = random.integers(0, 40, 40)
    measure = task.measurer([name], _table(task, gold, predicted))
    whole = _expected(name, gold, predicted)
    assert measure(np.ones(40, int))[name] == pytest.approx(whole, rel=1e-12)
    again = _expected(name, gold[rows], predicted[rows])
    assert measure(np.bincount(rows, minlength=40))[name] == pytest.approx(again, rel=1e-12)


def test_targets_are_also_measured_one_by_one() -> None:
    gold = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    predicted = gold + np.array([[0.0, 1.0], [1.0, 1.0], [0.0, -2.0]])
    found = TWO.measure_classes(_table(TWO, gold, predicted))
    assert found["clarity"]["r2"] == metrics.r2_score(gold[:, 0], predicted[:, 0])
    assert found["depth"] == {"mse": 2.0, "rmse": 2.0**0.5, "mae": 4 / 3, "rows": 3}
    assert ONE.measure_classes(_table(ONE, gold[:, :1], predicted[:, :1])) == {}


def test_what_equal_gold_numbers_do_not_define_is_left_out() -> None:
    gold, predicted = np.full((4, 1), 2.0), np.arange(4.0)[:, None]
    found = ONE.measure(ONE.metrics, _table(ONE, gold, predicted))
    assert set(found) == {"mse", "rmse", "mae"}
    rows = table([2.0] * 4, pa.float64())
    assert ONE.unmeasurable("r2", rows) == "all rows of the split have the same numbers"
    assert ONE.unmeasurable("mse", rows) is None
    assert ONE.unmeasurable("r2", table([2.0, 3.0], pa.float64())) is None


def test_a_target_of_equal_numbers_does_not_count_for_the_mean() -> None:
    gold = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    predicted = gold + np.array([[0.5, 1.0], [0.0, 2.0], [0.0, 3.0]])
    found = TWO.measure(["r2", "mae"], _table(TWO, gold, predicted))
    assert found["r2"] == metrics.r2_score(gold[:, 0], predicted[:, 0])
    assert found["mae"] == metrics.mean_absolute_error(gold, predicted)
    assert TWO.unmeasurable("r2", table([["1", "5"], ["2", "5"]], LISTS)) is None
    assert TWO.unmeasurable("r2", table([["1", "5"], ["1.0", "5"]], LISTS)) is not None


@settings(deadline=None)
@given(arrays.arrays(np.float64, (5, 1), elements=st.floats(-1e18, 1e18)), st.floats(-1e9, 1e9))
def test_every_metric_of_any_numbers_is_finite(gold: np.ndarray, constant: float) -> None:
    for predicted in (np.full((5, 1), constant), np.arange(5.0)[:, None], gold):
        found = ONE.measure(ONE.metrics, _table(ONE, gold, predicted))
        assert np.isfinite(list(found.values())).all()
        json.dumps(found, allow_nan=False)


def test_predictions_that_are_all_the_same_correlate_by_0() -> None:
    gold, predicted = np.arange(4.0)[:, None], np.ones((4, 1))
    found = ONE.measure(["pearson", "spearman"], _table(ONE, gold, predicted))
    assert found == {"pearson": 0.0, "spearman": 0.0}


def test_the_mean_is_the_baseline() -> None:
    gold = np.array([[1.0], [2.0], [6.0]])
    found = _table(ONE, gold, np.full((3, 1), 3.0))
    assert ONE.measure(["r2"], found)["r2"] == ONE.baseline(found)[0] == 0.0


@pytest.mark.parametrize("task", [ONE, TWO])
def test_the_loss_is_that_of_transformers(task: TextRegression, tmp_path: Path) -> None:
    labels: list[Any] = [1.5, -2.0, 7.0] if task is ONE else [["1.5", "2"], ["0", "-1"], ["7", "8"]]
    rows = table(labels, pa.float64() if task is ONE else LISTS)
    made = tokens(task, rows)
    base = build(scratch(), tmp_path / "base", tmp_path, prepare())
    torch.manual_seed(0)
    model = task.build_model(base, None).eval()
    assert model.config.problem_type == "regression"
    assert model.config.id2label == dict(enumerate(task.names))
    batch = collate(task, made, np.arange(3), 0, DRAW)
    expected = model(**batch.inputs, labels=batch.targets).loss
    total, weight = task.loss(task.forward(model, batch.inputs), batch, LossOptions())
    assert (total / weight).item() == pytest.approx(expected.item(), rel=1e-6)
    parts = [collate(task, made, np.array(part), 0, DRAW) for part in ([0], [1, 2])]
    sums = [task.loss(task.forward(model, b.inputs), b, LossOptions()) for b in parts]
    together = sum(s[0].item() for s in sums) / sum(s[1].item() for s in sums)
    assert together == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("aggregate", "expected"), [("mean", 2.5), ("max", 4), ("first", 1)])
def test_each_window_has_the_targets_and_outputs_become_one(
    aggregate: Any, expected: float
) -> None:
    rows = table([["1", "2"], ["3", "4"]], LISTS, [LONG, "w1"])
    made = tokens(TWO, rows, WINDOWS.model_copy(update={"aggregate": aggregate}))
    assert made.examples.tolist() == [0, 0, 0, 0, 1]
    batch = collate(TWO, made, np.array([4, 0, 3]), 0, DRAW)
    assert batch.targets.tolist() == [[3.0, 4.0], [1.0, 2.0], [1.0, 2.0]]
    kept = [np.array([i, -i], np.float32) for i in (1, 2, 3, 4, 9)]
    found = TWO.predictions(rows, made, kept, {})["prediction"].to_pylist()
    lowest = -1 if aggregate != "mean" else -2.5
    assert found == [[expected, lowest], [9.0, -9.0]]


WRONG: list[tuple[str, Any, str]] = [
    ("E328", ["1"], "a.csv, row 2 (`['1']`): a label must have 2 numbers"),
    ("E328", [], "a.csv, row 2 (`[]`): a label must have 2 numbers"),
    ("E321", ["1", "two"], "a.csv, row 2 (`two`): a target is no number"),
    ("E321", ["nan", "1"], "a.csv, row 2 (`nan`): a target is no number"),
    ("E321", ["1", "1e999"], "a.csv, row 2 (`1e999`): a target is no number"),
    ("E321", ["1", "-2e18"], "a.csv, row 2 (`-2e18`): a target is larger than 1e+18"),
]


@pytest.mark.parametrize(("code", "label", "message"), WRONG)
def test_wrong_targets_are_told_with_file_and_row(code: str, label: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        TWO.check_targets(table([["1", "+2.5e3"], label], LISTS))
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert found.message.startswith(message)
    assert found.help


def test_a_number_that_is_too_large_is_told_and_right_ones_are_not() -> None:
    with pytest.raises(InputError, match=r"a\.csv, row 1 \(`1e\+300`\)"):
        ONE.check_targets(table([1e300], pa.float64()))
    ONE.check_targets(table([-4.5, 0.0], pa.float64()))
    TWO.check_targets(table([["-4.5", " 1"], ["1e-3", ".5"]], LISTS))
    TWO.check_targets(table([], LISTS))


STARS = {"column": "stars", "number": True}
RULES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("E132", {}, {"label": "stars"}),
    ("E132", {"targets": ["a", "b"]}, {"label": STARS}),
    ("E136", {"targets": ["a", "a"]}, {"label": {"column": "stars", "list": True}}),
    ("E139", {}, {"label": STARS}),
]


@pytest.mark.parametrize(("code", "options", "columns"), RULES)
def test_rules_of_the_spec(
    project: Project, code: str, options: dict[str, Any], columns: dict[str, Any]
) -> None:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["task"] = {"type": "text-regression"} | options
    spec["data"]["columns"] |= columns
    spec["evaluation"] = {"metrics": ["r2"], "require": {"r2": ">= -3", "mse": "<= 90"}}
    spec["evaluation"]["metrics"].append("mse")
    if code == "E139":
        spec["training"] |= {"label_smoothing": 0.1}
    project.write_spec(spec)
    found = load_checked([Path("specs")], project.root).diagnostics
    assert [d.code for d in found] == [code]


def test_class_weights_are_for_labels(project: Project) -> None:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["task"], spec["evaluation"] = {"type": "text-regression"}, {"metrics": ["r2"]}
    spec["data"]["columns"]["label"] = STARS
    for weights in ("balanced", {"bad": 1.0}):
        spec["training"]["class_weights"] = weights
        project.write_spec(spec)
        found = load_checked([Path("specs")], project.root).diagnostics
        assert [d.code for d in found] == ["E139"]


SEVERAL = Case(
    task={"type": "text-regression", "targets": ["stars", "length"]},
    columns={"text": "body", "label": {"column": "numbers", "separator": ";"}},
    rows=[
        {"body": row["body"], "numbers": f"{row['stars']}; {6 - row['stars']}"} for row in CASE.rows
    ],
    metrics={"r2": ">= 0.9", "mae": "<= 0.2"},
    inputs=[],
    answers=[],
    training=CASE.training,
    config=CASE.config,
)


def test_several_targets_from_a_spec_to_answers(tmp_path: Path) -> None:
    project = make_project(tmp_path / "several", SEVERAL)
    for name in project.stages():
        run_stage(name, project.root)
    predictor = Predictor(project.root / "models/tiny/export")
    found = list(predictor.predict([{"text": row["body"]} for row in SEVERAL.rows]))
    for answer, row in zip(found, SEVERAL.rows, strict=True):
        assert list(answer["values"]) == ["stars", "length"]
        gold = [float(item) for item in row["numbers"].split(";")]
        assert list(answer["values"].values()) == pytest.approx(gold, abs=0.3)
    line = predictor.task.answer_line({"values": {"stars": 4.0, "length": 1.23456}})
    assert line == "stars 4  length 1.235"
