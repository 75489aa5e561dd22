"""Multi-label classification: metrics, losses and thresholds are what the libraries and brute
force say.
"""

import json
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.preprocessing import MultiLabelBinarizer

from bertspec.catalog.batch import Batch
from bertspec.catalog.long_documents import Windows
from bertspec.catalog.metrics.multi_label import best_threshold
from bertspec.catalog.task import LossOptions
from bertspec.catalog.tasks.multi_label_classification import MultiLabelClassification
from bertspec.compiler.checks import load_checked
from bertspec.core.errors import InputError
from bertspec.runtime.inference import DRAW
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.batches import collate
from tests.model.models import build, prepare, scratch
from tests.projects import SPEC, Project
from tests.stages import run_kinds
from tests.tasks.cases import case_of
from tests.tasks.sequences import table, tokens
from tests.tasks.test_conformance import make_project

LABELS = ("a", "b", "c", "d")
TASK = MultiLabelClassification(type="multi-label-classification", labels=LABELS)
LISTS = pa.list_(pa.string())
GOLD = [["a"], [], ["b", "a"], ["c", "c"], ["a", "b", "c"], []]
"""No row has `d`."""


def _names(matrix: np.ndarray) -> list[list[str]]:
    return [[LABELS[i] for i in np.flatnonzero(row)] for row in matrix]


def _predictions(gold: np.ndarray, scores: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "gold": pa.array(_names(gold), LISTS),
            "prediction": pa.array(_names(scores >= 0.5), LISTS),
            "scores": pa.array(scores.tolist(), pa.list_(pa.float32())),
        }
    )


def _random(seed: int, rows: int = 50) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    gold = random.random((rows, 4)) < [0.5, 0.3, 0.1, 0.6]
    scores = np.clip(gold * 0.3 + random.random(gold.shape) * 0.7, 0, 1).astype(np.float32)
    return gold, scores


def _expected(name: str, gold: np.ndarray, scores: np.ndarray) -> float:
    labels = MultiLabelBinarizer(classes=LABELS)
    true = labels.fit_transform(_names(gold))
    said = labels.fit_transform(_names(scores >= 0.5))
    if name == "exact_match":
        return float(metrics.accuracy_score(true, said))
    if name == "hamming_loss":
        return float(metrics.hamming_loss(true, said))
    if name == "roc_auc_macro":
        return float(metrics.roc_auc_score(true, scores.astype(np.float64), average="macro"))
    kind, _, average = name.partition("_")
    function = getattr(metrics, f"{kind}_score")
    return float(function(true, said, average=average, zero_division=0))


@pytest.mark.parametrize("name", TASK.metrics)
def test_metrics_are_those_of_scikit_learn(name: str) -> None:
    gold, scores = _random(1)
    rows = np.random.default_rng(2).integers(0, 50, 50)
    measure = TASK.measurer([name], _predictions(gold, scores))
    whole = _expected(name, gold, scores)
    assert measure(np.ones(50, int))[name] == pytest.approx(whole, rel=1e-12)
    again = _expected(name, gold[rows], scores[rows])
    assert measure(np.bincount(rows, minlength=50))[name] == pytest.approx(again, rel=1e-12)


def test_each_label_is_measured_as_by_scikit_learn() -> None:
    gold, scores = _random(3)
    found = TASK.measure_classes(_predictions(gold, scores))
    for i, label in enumerate(LABELS):
        true, said = gold[:, i], scores[:, i] >= 0.5
        assert found[label] == {
            "precision": metrics.precision_score(true, said),
            "recall": metrics.recall_score(true, said),
            "f1": metrics.f1_score(true, said),
            "rows": int(true.sum()),
        }


def test_roc_auc_is_that_of_the_labels_that_define_it() -> None:
    gold, scores = _random(4)
    gold[:, 1], gold[:, 2] = True, False
    expected = np.mean([metrics.roc_auc_score(gold[:, i], scores[:, i]) for i in (0, 3)])
    found = TASK.measure(["roc_auc_macro"], _predictions(gold, scores))
    assert found["roc_auc_macro"] == pytest.approx(expected)


def test_what_no_label_defines_is_left_out_and_warns_nobody(
    recwarn: pytest.WarningsRecorder,
) -> None:
    gold = np.zeros((3, 4), bool)
    found = TASK.measure(TASK.metrics, _predictions(gold, np.zeros((3, 4), np.float32)))
    assert set(found) == set(TASK.metrics) - {"roc_auc_macro"}
    assert found["exact_match"] == 1.0
    assert found["f1_micro"] == found["hamming_loss"] == 0.0
    same = table([["a", "b"], ["b", "a", "a"]], LISTS)
    assert TASK.unmeasurable("roc_auc_macro", same) == "all rows of the split have the same labels"
    assert TASK.unmeasurable("f1_micro", same) is None
    assert TASK.unmeasurable("roc_auc_macro", table(GOLD, LISTS)) is None
    assert not recwarn.list


def test_the_baseline_is_the_best_set_of_labels_for_all() -> None:
    for seed in range(5):
        gold, scores = _random(seed)
        sets = [s for n in range(1, 5) for s in combinations(range(4), n)]
        tried = [metrics.f1_score(gold, np.tile(np.isin(range(4), s), (50, 1)), average="micro")
                 for s in sets]  # fmt: skip
        assert TASK.baseline(_predictions(gold, scores))[0] == pytest.approx(max(tried))
    assert TASK.baseline(_predictions(np.zeros((3, 4), bool), scores[:3]))[0] == 0.0


ROWS = st.lists(
    st.tuples(st.integers(0, 1024).map(lambda n: n / 1024), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(ROWS)
def test_a_tuned_threshold_is_the_best_that_brute_force_finds(
    rows: list[tuple[float, bool]],
) -> None:
    scores = np.array([score for score, _ in rows])  # 32-bit floats, with no rounding in between
    gold = np.array([is_it for _, is_it in rows])
    found = best_threshold(scores.astype(np.float32), gold)
    if not gold.any():
        assert found == 0.5
        return

    def f1(threshold: float) -> float:
        return float(metrics.f1_score(gold, scores >= threshold, zero_division=0.0))

    # Where between two scores a threshold is does not matter, so these are all there are.
    seen = sorted({0.0, *scores.tolist()})
    middles = {(one + other) / 2 for one, other in pairwise(seen)} | {seen[0]}
    best = max(f1(threshold) for threshold in {*seen, *middles, 1.5})
    assert f1(found) == pytest.approx(best)
    assert found in middles
    assert found not in scores or found == 0
    nearer = [t for t in middles if abs(t - 0.5) < abs(found - 0.5)]
    assert all(f1(threshold) < best - 1e-12 for threshold in nearer)


def test_no_threshold_lies_between_equal_texts() -> None:
    """Their scores differ by how they were padded, and will otherwise in another runtime."""
    scores = np.array([0.875, 0.5 + 2e-7, 0.5, 0.5 - 2e-7, 0.125], np.float32)
    gold = np.array([True, True, False, False, False])
    assert best_threshold(scores, gold) == pytest.approx((0.875 + 0.5) / 2)


def test_the_order_of_rows_does_not_change_a_threshold() -> None:
    gold, scores = _random(6)
    order = np.random.default_rng(0).permutation(50)
    for i in range(4):
        found = best_threshold(scores[:, i], gold[:, i])
        assert found == best_threshold(scores[order, i], gold[order, i])


def _logits(rows: pa.Table, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(0, 2, (len(rows), 4)).astype(np.float32))


def test_thresholds_are_fitted_on_validation_and_used_for_predictions() -> None:
    rows = table(GOLD, LISTS)
    made, kept = tokens(TASK, rows), _logits(rows)
    decision = TASK.decide(rows, made, kept)
    assert list(decision) == [f"threshold.{label}" for label in LABELS]
    assert decision["threshold.d"] == 0.5
    found = TASK.predictions(rows, made, kept, decision).to_pylist()
    scores = np.array([row["scores"] for row in found], np.float32)
    expected = torch.sigmoid(torch.tensor(np.stack(kept))).numpy()
    assert scores == pytest.approx(expected, abs=1e-6)
    thresholds = np.array(list(decision.values()))
    assert [row["prediction"] for row in found] == _names(scores >= thresholds)
    gold = np.array([[label in row for label in LABELS] for row in GOLD])
    for i in range(3):
        assert thresholds[i] == best_threshold(scores[:, i], gold[:, i])


@pytest.mark.parametrize(("threshold", "expected"), [("tuned", 0.5), (0.9, 0.9), (0.1, 0.1)])
def test_without_a_decision_the_threshold_is_the_one_given_or_one_half(
    threshold: Any, expected: float
) -> None:
    task = TASK.model_copy(update={"threshold": threshold})
    rows = table(GOLD, LISTS)
    made, kept = tokens(task, rows), _logits(rows)
    found = task.predictions(rows, made, kept, {})
    scores = np.array(found["scores"].to_pylist())
    assert found["prediction"].to_pylist() == _names(scores >= expected)
    assert (task.decide(rows, made, kept) == {}) == (threshold != "tuned")


@pytest.mark.parametrize("aggregate", ["mean", "max", "first"])
def test_probabilities_of_windows_become_one(aggregate: Any) -> None:
    long = " ".join(f"w{i}" for i in range(40))
    rows = table([["a"], ["b", "c"]], LISTS, [long, "w1"])
    windows = Windows(type="windows", stride=2, aggregate=aggregate)
    made = tokens(TASK, rows, windows)
    assert made.examples.tolist() == [0, 0, 0, 0, 1]
    batch = collate(TASK, made, np.array([4, 0, 3]), 0, DRAW)
    assert batch.targets.tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    kept = list(np.random.default_rng(1).normal(0, 2, (5, 4)).astype(np.float32))
    first = np.stack(kept[:4])
    one = {"mean": first.mean(axis=0), "max": first.max(axis=0), "first": first[0]}[aggregate]
    decision = TASK.decide(rows, made, kept)
    found = TASK.predictions(rows, made, kept, decision)
    expected = torch.sigmoid(torch.tensor(np.stack([one, kept[4]]))).numpy()
    assert np.array(found["scores"].to_pylist()) == pytest.approx(expected, abs=1e-6)
    for i, label in enumerate(LABELS[:3]):
        assert label in found["prediction"][0 if label == "a" else 1].as_py()
        assert decision[f"threshold.{label}"] == best_threshold(
            np.array(found["scores"].to_pylist(), np.float32)[:, i],
            np.array([label == "a", label != "a"]),
        )


def test_the_loss_is_that_of_transformers(tmp_path: Path) -> None:
    made = tokens(TASK, table(GOLD, LISTS))
    base = build(scratch(), tmp_path / "base", tmp_path, prepare())
    torch.manual_seed(0)
    model = TASK.build_model(base, None).eval()
    assert model.config.id2label == dict(enumerate(LABELS))
    batch = collate(TASK, made, np.arange(6), 0, DRAW)
    expected = model(**batch.inputs, labels=batch.targets).loss
    total, weight = TASK.loss(TASK.forward(model, batch.inputs), batch, LossOptions())
    assert (total / weight).item() == pytest.approx(expected.item(), rel=1e-6)


def test_weights_and_smoothing_are_as_they_are_defined() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator)
    made = tokens(TASK, table([*GOLD[:5], ["d"]], LISTS))
    batch = collate(TASK, made, np.arange(6), 0, DRAW)
    weights = TASK.balanced_weights(made)
    assert TASK.label_counts(made).tolist() == [3, 2, 2, 1], "twice in a row is once"
    assert weights == [3 / 3, 4 / 2, 4 / 2, 5 / 1]
    smooth = batch.targets * 0.8 + 0.1
    share = torch.sigmoid(logits)
    each = -(torch.tensor(weights) * smooth * share.log() + (1 - smooth) * (1 - share).log())
    total, weight = TASK.loss(logits, batch, LossOptions(0.2, weights))
    assert (total / weight).item() == pytest.approx(each.mean().item(), rel=1e-5)


def test_a_label_that_every_row_has_is_not_weighed() -> None:
    made = tokens(TASK, table([["a", "b", "c", "d"], ["a", "b"]], LISTS))
    assert TASK.balanced_weights(made) == [1.0, 1.0, 1.0, 1.0]


def test_a_batch_has_each_row_with_its_labels() -> None:
    made = tokens(TASK, table(GOLD, LISTS))
    batch: Batch = collate(TASK, made, np.array([4, 1, 3]), 0, DRAW)
    assert batch.targets.tolist() == [[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert len(tokens(TASK, table([], LISTS)).columns["label"]) == 0


def test_unknown_labels_are_told_with_file_and_row() -> None:
    with pytest.raises(InputError) as caught:
        TASK.check_targets(table([["a", "x"], [], ["y"], ["x", "b"]], LISTS))
    first, second = caught.value.diagnostics
    assert first.message == "a.csv, row 1: unknown label `x` (and in 1 more: 4)"
    assert second.message == "a.csv, row 3: unknown label `y`"
    assert {first.code, second.code} == {"E313"}
    TASK.check_targets(table(GOLD, LISTS))
    TASK.check_targets(table([], LISTS))


TAGS = {"column": "tags", "separator": ";"}
RULES: list[tuple[str, dict[str, Any]]] = [
    ("E102", {"task.labels": ["bad", "good", "bad"]}),
    ("E131", {"data.columns.label": TAGS | {"separator": None, "list": True, "map": {"1": "god"}}}),
    ("E132", {"data.columns.label": "tags"}),
    ("E113", {"training.class_weights": {"bad": 1, "god": 2}}),
    ("E133", {"training.sampling": {"type": "balanced"}}),
    ("E118", {"evaluation.metrics": ["f1"]}),
]


def _spec(changes: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["task"]["type"] = "multi-label-classification"
    spec["data"]["columns"]["label"] = TAGS
    spec["evaluation"] = {"metrics": ["f1_micro", "hamming_loss"]}
    for path, value in changes.items():
        *parents, last = path.split(".")
        target = spec
        for part in parents:
            target = target[part]
        target[last] = value
    return spec


@pytest.mark.parametrize(("code", "changes"), RULES)
def test_rules_of_the_spec(project: Project, code: str, changes: dict[str, Any]) -> None:
    project.write_spec(_spec(changes))
    found = load_checked([Path("specs")], project.root).diagnostics
    assert {d.code for d in found} == {code}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"task.threshold": 0.3},
        {"training.class_weights": "balanced", "training.label_smoothing": 0.1},
        {"training.class_weights": {"bad": 1, "good": 2}},
    ],
)
def test_a_good_spec_breaks_no_rule(project: Project, changes: dict[str, Any]) -> None:
    project.write_spec(_spec(changes))
    assert load_checked([Path("specs")], project.root).diagnostics == ()


@pytest.mark.parametrize("threshold", [0, 1, "best", True])
def test_a_threshold_is_a_probability_or_tuned(project: Project, threshold: Any) -> None:
    project.write_spec(_spec({"task.threshold": threshold}))
    found = load_checked([Path("specs")], project.root).diagnostics
    assert [str(d.position) for d in found] == ["specs/tiny.json:10:18"]
    assert found[0].message.startswith("`task.threshold` ")


def test_weights_from_a_spec_and_a_label_that_no_training_row_has(tmp_path: Path) -> None:
    case = case_of("multi-label-classification")
    short = {"epochs": 1, "learning_rate": 1e-3, "class_weights": "balanced"}
    project = make_project(tmp_path / "weighted", case, training=short)
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train")
    assert (project.root / "models/tiny/trained/model.safetensors").is_file()
    task = case.task | {"labels": [*case.task["labels"], "view"]}
    other = make_project(tmp_path / "unseen", case, task=task)
    run_kinds(other, "fetch", "prepare", "contract", "base", "tokenize")
    with pytest.raises(InputError, match="no training row has the label `view`") as caught:
        run_stage("tiny-train", other.root)
    assert caught.value.diagnostics[0].code == "E405"


def test_answers_in_a_line() -> None:
    answer = TASK.answer({"prediction": ["a", "c"], "scores": [0.9, 0.1, 0.456, 0.2]})
    assert answer["labels"] == ["a", "c"]
    assert list(answer["probabilities"]) == list(LABELS)
    assert TASK.answer_line(answer) == "a 90.0%, c 45.6%"
    assert TASK.answer_line(answer | {"labels": []}) == "no label"
