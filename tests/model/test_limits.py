"""What training and evaluation do at the edges: rows too long, no rows, one label, divergence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bertspec.catalog.source import SplitName
from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.core.errors import CheckFailed, InputError
from tests.model.models import TASK, edit_weights
from tests.projects import SPEC, Project
from tests.stages import (
    as_made,
    prepared_rows,
    replace_rows,
    replace_tokens,
    run_kinds,
    tokenized_folder,
    tokens_of,
)


def _project(project: Project, max_length: int = 32, **training: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["training"] |= {"epochs": 1} | training
    spec["tokenization"]["max_length"] = max_length
    spec["evaluation"]["metrics"] = ["accuracy"]
    return spec


def _tokenize(project: Project, spec: dict[str, Any]) -> None:
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")


def _change_tokens(project: Project, split: SplitName, change: Any) -> None:
    table = tokens_of(tokenized_folder(project), split)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    replace_tokens(project, split, pa.table(change(columns), schema=table.schema))


def _change(project: Project, split: SplitName, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a split, and likewise what was tokenized of them."""
    replace_rows(project, split, change(prepared_rows(project, split)))
    replace_tokens(project, split, change(tokens_of(tokenized_folder(project), split)))


def _failure(project: Project, kind: str) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        run_kinds(project, kind)
    found = caught.value.diagnostics[0]
    assert found.help
    return found.code, found.message


def _one_label(table: pa.Table) -> pa.Table:
    """The label of the rows, or its number in their tokens."""
    place = table.schema.get_field_index("label")
    field = table.schema.field(place)
    label = "bad" if pa.types.is_string(field.type) else 0
    return table.set_column(place, field, pa.array([label] * len(table), field.type))


def _nothing(table: pa.Table) -> pa.Table:
    return table.slice(0, 0)


def test_a_row_longer_than_the_models_positions_is_named(project: Project) -> None:
    _tokenize(project, _project(project))

    def lengthen(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for name, value in (("input_ids", 1), ("token_type_ids", 0)):
            columns[name][3] = [value] * 65
        return columns

    _change_tokens(project, "validation", lengthen)
    code, message = _failure(project, "train")
    assert code == "E406"
    assert "row 4 of validation" in message
    assert "65 tokens" in message
    assert "64 at most" in message


def test_a_token_that_the_model_has_not_is_an_error(project: Project) -> None:
    _tokenize(project, _project(project))

    def beyond(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        columns["input_ids"][0][1] = 5000
        return columns

    _change_tokens(project, "train", beyond)
    code, message = _failure(project, "train")
    assert code == "E406"
    assert "5000" in message


def test_an_empty_training_split_is_an_error(project: Project) -> None:
    _tokenize(project, _project(project))
    _change(project, "train", _nothing)
    assert _failure(project, "train") == ("E405", "the training split has no row")


def test_an_empty_test_split_is_an_error(project: Project) -> None:
    _tokenize(project, _project(project))
    _change(project, "test", _nothing)
    run_kinds(project, "train")
    assert _failure(project, "evaluate") == ("E409", "the test split has no row")


def test_without_validation_the_last_epoch_is_kept_and_metrics_have_none(
    project: Project,
) -> None:
    _tokenize(project, _project(project))
    _change(project, "validation", _nothing)
    run_kinds(project, "train", "evaluate")
    assert "validation" not in project.metrics()
    assert {"train", "test", "fit"} <= project.metrics().keys()
    decision = project.root / "models/tiny/decision.json"
    assert json.loads(decision.read_text()) == {}, "there is nothing to fit it on"
    curve = (project.root / "models/tiny/curves/validation.csv").read_text().splitlines()
    assert curve[0] == "epoch,train_loss"
    assert len(curve) == 2


def test_a_best_metric_that_validation_does_not_define_is_found_before_training(
    project: Project,
) -> None:
    _tokenize(project, _project(project, metric_for_best_model="roc_auc"))
    _change(project, "validation", _one_label)
    code, message = _failure(project, "train")
    assert code == "E411"
    assert "roc_auc" in message


def test_a_split_of_one_label_is_evaluated_without_roc_auc(project: Project) -> None:
    spec = _project(project)
    spec["evaluation"] = {"metrics": ["accuracy", "f1", "roc_auc"], "require": {"roc_auc": "> 0"}}
    _tokenize(project, spec)
    _change(project, "test", _one_label)
    run_kinds(project, "train")
    with pytest.raises(CheckFailed) as caught:
        run_kinds(project, "evaluate")
    assert [d.code for d in caught.value.diagnostics] == ["E411"]
    metrics = project.metrics()
    assert "roc_auc" in metrics["train"]
    assert "roc_auc" not in metrics["test"]
    assert metrics["test"]["f1"] == 0.0
    (line,) = [s for s in project.bertspec("show").splitlines() if "roc_auc" in s]
    assert line.split()[-2] == "-"


def test_a_bound_on_every_metric_that_fails_is_reported(project: Project) -> None:
    spec = _project(project, learning_rate=1e-9)
    bounds = {"accuracy": "> 0.99", "loss": "< 0.001", "f1": ">= 1", "recall": ">= 0"}
    spec["evaluation"] = {"metrics": ["accuracy", "f1", "recall"], "require": bounds}
    _tokenize(project, spec)
    run_kinds(project, "train")
    with pytest.raises(CheckFailed) as caught:
        run_kinds(project, "evaluate")
    messages = [d.message for d in caught.value.diagnostics]
    assert [m.split()[0] for m in messages] == ["accuracy", "f1", "loss"]
    assert all(b in m for b, m in zip(["> 0.99", ">= 1", "< 0.001"], messages, strict=True))
    assert (project.root / "models/tiny/evaluation/predictions.parquet").is_file()


def test_an_overflow_in_the_last_step_is_not_published(project: Project) -> None:
    """Its loss was still a number, so that no later step would have shown it."""
    spec = _project(project, learning_rate=1e38, batch={"examples": 1000}, max_grad_norm=None)
    spec["training"]["schedule"] = {"type": "constant", "warmup_ratio": 0.0}
    _tokenize(project, spec)
    code, message = _failure(project, "train")
    assert code == "E404"
    assert "validation" in message
    assert not (project.root / "models/tiny/trained").exists()


def test_an_infinite_gradient_in_the_last_step_is_not_published(project: Project) -> None:
    """The loss is a number, and there is no later one, nor a validation split, to show it."""
    import torch

    spec = _project(project, batch={"examples": 1000})
    # Where all numbers are equal, each normalisation multiplies the gradient by 1 / sqrt(epsilon).
    spec["model"]["base"]["config"]["layer_norm_eps"] = 1e-30
    _tokenize(project, spec)
    _change(project, "validation", _nothing)
    (base,) = [p.parent for p in (project.root / "models/bases").rglob("model.safetensors")]
    edit_weights(
        base,
        lambda weights: {
            name: torch.zeros_like(value) if "_embeddings.weight" in name else value
            for name, value in weights.items()
        },
    )
    code, message = _failure(project, "train")
    assert code == "E404"
    assert "gradient" in message
    assert "step 0" in message
    assert not (project.root / "models/tiny/trained").exists()


def test_a_damaged_trained_model_is_a_clear_error(project: Project) -> None:
    _tokenize(project, _project(project))
    run_kinds(project, "train")
    weights = project.root / "models/tiny/trained/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    as_made(weights.parent)
    code, message = _failure(project, "evaluate")
    assert code == "E407"
    assert "tiny/trained" in message


def test_roc_auc_of_three_labels_is_the_mean_over_those_it_is_defined_for() -> None:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    task = TextClassification(type="text-classification", labels=("a", "b", "c"))
    scores = np.random.default_rng(3).dirichlet([1, 1, 1], 30).astype(np.float32)
    gold = np.array(["a", "c"] * 15)
    table = pa.table({"gold": gold, "prediction": gold, "scores": list(scores)})
    expected = np.mean([roc_auc_score(gold == "a", scores[:, 0]),
                        roc_auc_score(gold == "c", scores[:, 2])])  # fmt: skip
    assert task.measure(["roc_auc"], table)["roc_auc"] == pytest.approx(expected)


def test_a_label_without_a_row_measures_as_zero_and_warns_nobody(
    recwarn: pytest.WarningsRecorder,
) -> None:
    table = pa.table({"gold": ["bad"] * 2, "prediction": ["bad"] * 2, "scores": [[0.9, 0.1]] * 2})
    names = ["accuracy", "f1", "precision", "recall", "f1_macro", "matthews", "roc_auc"]
    assert TASK.measure(names, table) == {
        "accuracy": 1.0, "f1": 0.0, "precision": 0.0, "recall": 0.0, "f1_macro": 0.5,
        "matthews": 0.0,
    }  # fmt: skip
    assert not recwarn.list


def test_balanced_class_weights_are_those_of_scikit_learn(tmp_path: Path) -> None:
    import numpy as np
    import torch
    from sklearn.utils.class_weight import compute_class_weight

    from bertspec.catalog.batch import Batch
    from bertspec.catalog.task import LossOptions

    targets = np.array([0] * 9 + [1] * 3)
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=targets)
    logits = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    reference = torch.nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float32))
    options = LossOptions(class_weights=weights.tolist())
    batch = Batch(np.arange(12), {}, torch.from_numpy(targets))
    total, weight = TASK.loss(logits, batch, options)
    expected = reference(logits, batch.targets).item()
    assert (total / weight).item() == pytest.approx(expected, rel=1e-6)


def test_tokens_of_other_rows_are_refused(project: Project) -> None:
    _tokenize(project, _project(project, metric_for_best_model="accuracy"))
    replace_rows(project, "validation", prepared_rows(project, "validation").slice(1))
    code, message = _failure(project, "train")
    assert code == "E206"
    assert "is not of the rows in" in message
