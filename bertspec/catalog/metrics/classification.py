"""Metrics of classification from the predictions table alone, equal to scikit-learn's.

They are computed from counts, as a confidence interval asks for them a thousand times.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.metrics.counting import Area, ratio, roc_auc, scores_of
from bertspec.catalog.task import Measure
from bertspec.catalog.task_parts.decisions import expected_calibration_error
from bertspec.catalog.task_parts.known_labels import numbers_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def measurer(names: Sequence[str], labels: Sequence[str], predictions: "pa.Table") -> Measure:
    """Metrics of a table with `gold` and `prediction` (labels) and `scores`.

    `scores` are probabilities in the order of `labels`. F1, precision and recall without an
    average are those of the second of two labels; with `_macro`, `_micro` or `_weighted` they are
    averaged over all `labels`, a label without an example counting as 0. ROC-AUC is the second
    label's, or the macro average of one label against the rest over the labels that have both a
    row and a row of another label. Where none has, ROC-AUC is not defined, and left out.
    """
    import numpy as np

    gold, predicted, scores = arrays_of(labels, predictions)
    cells, shape = gold * len(labels) + predicted, (len(labels), len(labels))
    confidence, is_right = scores.max(axis=1), gold == scores.argmax(axis=1)
    areas: list[Area] = []
    if "roc_auc" in names:
        asked = [1] if len(labels) == 2 else range(len(labels))  # noqa: PLR2004 - binary
        areas = [roc_auc(gold == label, scores[:, label]) for label in asked]

    def measure(counts: "np.ndarray") -> Mapping[str, float]:
        confusion = np.bincount(cells, counts, len(labels) ** 2).astype(np.int64).reshape(shape)
        found: dict[str, float] = {}
        for name in names:
            if name == "ece":
                found[name] = expected_calibration_error(confidence, is_right, counts)
            elif name == "roc_auc":
                defined = [a for area in areas if (a := area(counts)) is not None]
                if defined:
                    found[name] = float(np.mean(defined))
            else:
                found[name] = _of_confusion(name, confusion)
        return found

    return measure


def arrays_of(
    labels: Sequence[str], predictions: "pa.Table"
) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Numbers of the gold and the predicted labels, and (rows, labels) probabilities."""
    import pyarrow as pa

    gold, predicted = (
        numbers_of(predictions[name].cast(pa.string()), labels).to_numpy()
        for name in ("gold", "prediction")
    )
    return gold, predicted, scores_of(predictions, len(labels))


def measure_classes(
    labels: Sequence[str], predictions: "pa.Table"
) -> Mapping[str, Mapping[str, float]]:
    """Precision, recall and F1 of each label, and its rows."""
    gold, predicted, _ = arrays_of(labels, predictions)
    counts = _confusion(gold, predicted, len(labels))
    by_metric = {kind: _each(kind, counts) for kind in ("precision", "recall", "f1")}
    return {
        label: {kind: float(values[i]) for kind, values in by_metric.items()}
        | {"rows": int(counts[i].sum())}
        for i, label in enumerate(labels)
    }


def _confusion(gold: "np.ndarray", predicted: "np.ndarray", labels: int) -> "np.ndarray":
    """Rows by (gold, predicted) label."""
    import numpy as np

    return np.bincount(gold * labels + predicted, minlength=labels**2).reshape(labels, labels)


def _of_confusion(name: str, counts: "np.ndarray") -> float:
    import numpy as np

    if name == "accuracy":
        return float(np.trace(counts) / counts.sum())
    if name == "matthews":
        return _matthews(counts)
    kind, _, average = name.partition("_")
    if average == "micro":  # of one label a row, each wrong one is missing elsewhere
        return float(np.trace(counts) / counts.sum())
    each = _each(kind, counts)
    if average == "macro":
        return float(each.mean())
    if average == "weighted":
        return float(np.average(each, weights=counts.sum(axis=1)))
    return float(each[1])


def _each(kind: str, counts: "np.ndarray") -> "np.ndarray":
    """Precision, recall or F1 of each label; 0 where it is not defined."""
    import numpy as np

    return ratio(kind, np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))


def _matthews(counts: "np.ndarray") -> float:
    """Matthews' correlation for any number of labels (Gorodkin, 2004); 0 where not defined."""
    import numpy as np

    gold, predicted = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    total = gold.sum()
    covariance = np.trace(counts) * total - gold @ predicted
    spread = (total**2 - gold @ gold) * (total**2 - predicted @ predicted)
    return float(covariance / np.sqrt(spread)) if spread else 0.0
