"""Metrics and thresholds of rows with any number of labels, from the predictions table alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.metrics.counting import Area, ratio, roc_auc, scores_of
from bertspec.catalog.metrics.levels import level_ends
from bertspec.catalog.task import Measure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


EVEN = 0.5
"""The threshold of a label for which none is tuned."""


def label_numbers(column: "pa.ChunkedArray", labels: Sequence[str]) -> "pa.ListArray":
    """Lists of labels as lists of their numbers."""
    import pyarrow as pa
    from pyarrow import compute as pc

    lists = column.combine_chunks()
    known = pa.array(labels, pa.string())
    numbers = pc.index_in(lists.flatten().cast(pa.string()), value_set=known)
    lengths = pc.list_value_length(lists)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    return pa.ListArray.from_arrays(offsets, numbers)


def indicators(lists: "pa.ListArray", labels: int) -> "np.ndarray":
    """Which labels each row has, (rows, labels) bool, from lists of their numbers."""
    import numpy as np
    from pyarrow import compute as pc

    matrix = np.zeros((len(lists), labels), bool)
    matrix[pc.list_parent_indices(lists).to_numpy(), lists.flatten().to_numpy()] = True
    return matrix


def best_threshold(scores: "np.ndarray", gold: "np.ndarray") -> float:
    """The threshold from which on a label is predicted that gives its best F1 (Yang, 2001).

    Half-way between two scores that were seen and differ by more than NOISE, or below all of them,
    so that rounding moves no row over it; of several with the best F1 the one nearest to 0.5, and
    of two such the lower one. EVEN where no row has the label.
    """
    import numpy as np

    if not gold.any():
        return EVEN
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    ends = level_ends(ordered)
    hits = np.cumsum(gold[order])[ends - 1]
    f1 = 2 * hits / (ends + gold.sum())
    middles = (ordered[ends - 1] + np.append(ordered[ends[:-1]], 0.0)) / 2
    best = middles[f1 == f1.max()]
    return float(min(best, key=lambda threshold: (abs(threshold - 0.5), threshold)))


def measurer(names: Sequence[str], labels: Sequence[str], predictions: "pa.Table") -> Measure:
    """Metrics of a table with `gold` and `prediction` (lists of labels) and `scores`.

    `scores` are probabilities in the order of `labels`. A label, and with `_samples` a row, that
    has nothing right to find or nothing found counts as 0, as in scikit-learn. ROC-AUC is the mean
    over the labels that have both a row with it and one without; where none has, it is left out.
    """
    import numpy as np

    gold, predicted = _matrices(labels, predictions)
    right = gold & predicted
    sums = [_label_sums(matrix) for matrix in (right, gold, predicted)]
    of_rows = {
        "exact_match": (gold == predicted).all(axis=1),
        "hamming_loss": (gold != predicted).mean(axis=1),
        "f1_samples": ratio("f1", *(m.sum(axis=1) for m in (right, gold, predicted))),
    }
    areas: list[Area] = []
    if "roc_auc_macro" in names:
        scores = scores_of(predictions, len(labels))
        areas = [roc_auc(gold[:, i], scores[:, i]) for i in range(len(labels))]

    def measure(counts: "np.ndarray") -> Mapping[str, float]:
        of_labels = [each(counts) for each in sums]
        found: dict[str, float] = {}
        for name in names:
            if name == "roc_auc_macro":
                defined = [a for area in areas if (a := area(counts)) is not None]
                if defined:
                    found[name] = float(np.mean(defined))
            elif name in of_rows:
                found[name] = float(np.average(of_rows[name], weights=counts))
            else:
                kind, _, average = name.partition("_")
                found[name] = _averaged(kind, average, *of_labels)
        return found

    return measure


def measure_labels(
    labels: Sequence[str], predictions: "pa.Table"
) -> Mapping[str, Mapping[str, float]]:
    """Precision, recall and F1 of each label, and the rows that have it."""
    from sklearn.metrics import precision_recall_fscore_support

    found = precision_recall_fscore_support(*_matrices(labels, predictions), zero_division=0.0)
    columns = dict(zip(("precision", "recall", "f1", "rows"), found, strict=True))
    return {
        label: {name: values[i].item() for name, values in columns.items()}
        for i, label in enumerate(labels)
    }


def best_constant(labels: Sequence[str], predictions: "pa.Table") -> float:
    """The best micro-averaged F1 of who gives every row the same labels."""
    import numpy as np

    gold, _ = _matrices(labels, predictions)
    hits = np.cumsum(np.sort(gold.sum(axis=0))[::-1])
    said = len(gold) * np.arange(1, len(labels) + 1)
    return float((2 * hits / (said + gold.sum())).max())


def _matrices(labels: Sequence[str], predictions: "pa.Table") -> "list[np.ndarray]":
    """Indicators of gold and of predictions."""
    return [
        indicators(label_numbers(predictions[name], labels), len(labels))
        for name in ("gold", "prediction")
    ]


def _label_sums(matrix: "np.ndarray") -> "Callable[[np.ndarray], np.ndarray]":
    """How often each row counts -> how often each label of a (rows, labels) matrix does."""
    import numpy as np

    rows, labels = np.nonzero(matrix)
    return lambda counts: np.bincount(labels, counts[rows], matrix.shape[1])


def _averaged(
    kind: str, average: str, right: "np.ndarray", gold: "np.ndarray", predicted: "np.ndarray"
) -> float:
    """Precision, recall or F1 of how often labels are right, should be said and are said."""
    import numpy as np

    if average == "micro":
        return float(ratio(kind, right.sum(), gold.sum(), predicted.sum()))
    each = ratio(kind, right, gold, predicted)
    if average == "weighted":
        return float(np.average(each, weights=gold)) if gold.any() else 0.0
    return float(each.mean())
