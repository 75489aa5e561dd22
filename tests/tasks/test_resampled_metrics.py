"""Metrics of rows that count so often are those of scikit-learn and scipy on the resampled rows."""

import warnings
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from sklearn import metrics

from bertspec.catalog.metrics.counting import roc_auc
from bertspec.catalog.tasks.multi_label_classification import MultiLabelClassification
from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.catalog.tasks.text_regression import TextRegression

LISTS = pa.list_(pa.string())
LABELS = ("a", "b", "c")
LEVELS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
"""Few, so that many rows are tied."""


@st.composite
def _draws(draw: st.DrawFn, rows: int) -> np.ndarray:
    """Numbers of some rows, with repetitions and without some."""
    count = draw(st.integers(1, 2 * rows))
    return draw(arrays.arrays(np.int64, count, elements=st.integers(0, rows - 1)))


def _averages(gold: np.ndarray, said: np.ndarray, labels: range | None) -> Mapping[str, float]:
    functions = {
        "f1": metrics.f1_score,
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
    }
    return {
        f"{kind}_{average}": function(gold, said, labels=labels, average=average, zero_division=0.0)
        for kind, function in functions.items()
        for average in ("micro", "macro", "weighted")
    }


@settings(deadline=None)
@given(st.data(), st.integers(2, 12))
def test_the_area_under_roc_with_ties(data: st.DataObject, rows: int) -> None:
    positive = data.draw(arrays.arrays(bool, rows))
    scores = data.draw(arrays.arrays(np.float64, rows, elements=LEVELS))
    drawn = data.draw(_draws(rows))
    found = roc_auc(positive, scores)(np.bincount(drawn, minlength=rows))
    if positive[drawn].all() or not positive[drawn].any():
        assert found is None
    else:
        expected = metrics.roc_auc_score(positive[drawn], scores[drawn])
        assert found == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(1, 12), st.sampled_from([2, 3]))
def test_of_one_label(data: st.DataObject, rows: int, size: int) -> None:
    labels = np.array(LABELS[:size])
    gold = data.draw(arrays.arrays(np.int64, rows, elements=st.integers(0, size - 1)))
    scores = data.draw(arrays.arrays(np.float32, (rows, size), elements=LEVELS))
    said = scores.argmax(axis=1)
    drawn = data.draw(_draws(rows))
    task = TextClassification(type="text-classification", labels=tuple(labels))
    names = [name for name in task.metrics if not task.unfit_metric(name)]
    columns = {"gold": labels[gold], "prediction": labels[said], "scores": list(scores)}
    found = task.measurer(names, pa.table(columns))(np.bincount(drawn, minlength=rows))
    gold, said, scores = gold[drawn], said[drawn], scores[drawn].astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            **_averages(gold, said, range(size)),
            "accuracy": metrics.accuracy_score(gold, said),
            "matthews": metrics.matthews_corrcoef(gold, said),
        }
    if size == 2:
        expected["f1"] = metrics.f1_score(gold, said, zero_division=0.0)
        expected["precision"] = metrics.precision_score(gold, said, zero_division=0.0)
        expected["recall"] = metrics.recall_score(gold, said, zero_division=0.0)
    areas = [
        metrics.roc_auc_score(gold == label, scores[:, label])
        for label in (range(size) if size > 2 else [1])
        if 0 < (gold == label).sum() < len(gold)
    ]
    if areas:
        expected["roc_auc"] = np.mean(areas)
    assert {n: v for n, v in found.items() if n != "ece"} == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(1, 12))
def test_of_several_labels(data: st.DataObject, rows: int) -> None:
    gold = data.draw(arrays.arrays(bool, (rows, 3)))
    scores = data.draw(arrays.arrays(np.float32, (rows, 3), elements=LEVELS))
    said = scores >= 0.5
    drawn = data.draw(_draws(rows))
    task = MultiLabelClassification(type="multi-label-classification", labels=LABELS)

    def lists(matrix: np.ndarray) -> pa.Array:
        return pa.array([[LABELS[i] for i in np.flatnonzero(row)] for row in matrix], LISTS)

    table = pa.table({"gold": lists(gold), "prediction": lists(said), "scores": list(scores)})
    found = task.measurer(task.metrics, table)(np.bincount(drawn, minlength=rows))
    gold, said, scores = gold[drawn], said[drawn], scores[drawn].astype(np.float64)
    averages = _averages(gold, said, None)
    expected = {name: value for name, value in averages.items() if name in task.metrics}
    expected["f1_samples"] = metrics.f1_score(gold, said, average="samples", zero_division=0.0)
    expected["exact_match"] = metrics.accuracy_score(gold, said)
    expected["hamming_loss"] = metrics.hamming_loss(gold, said)
    defined = gold.any(axis=0) & ~gold.all(axis=0)
    if defined.any():
        areas = metrics.roc_auc_score(gold[:, defined], scores[:, defined], average=None)
        expected["roc_auc_macro"] = np.mean(areas)
    assert dict(found) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(1, 12))
def test_of_numbers(data: st.DataObject, rows: int) -> None:
    gold, said = (data.draw(arrays.arrays(np.float64, rows, elements=LEVELS)) for _ in range(2))
    drawn = data.draw(_draws(rows))
    task = TextRegression(type="text-regression")
    table = pa.table({"gold": gold, "prediction": said})
    found = task.measurer(task.metrics, table)(np.bincount(drawn, minlength=rows))
    gold, said = gold[drawn], said[drawn]
    expected = {
        "mse": metrics.mean_squared_error(gold, said),
        "rmse": metrics.root_mean_squared_error(gold, said),
        "mae": metrics.mean_absolute_error(gold, said),
    }
    if np.ptp(gold):
        is_constant = not np.ptp(said)
        expected["r2"] = metrics.r2_score(gold, said)
        expected["pearson"] = 0.0 if is_constant else stats.pearsonr(gold, said).statistic
        expected["spearman"] = 0.0 if is_constant else stats.spearmanr(gold, said).statistic
    assert dict(found) == pytest.approx(expected, rel=1e-12, abs=1e-12)
