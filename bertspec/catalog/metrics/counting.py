"""Metrics of rows of which each counts so often: what all of them share, and the area under ROC."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Area = Callable[["np.ndarray"], float | None]
"""How often each row counts, (rows,) -> the area; None where it is not defined."""


def ratio(
    kind: str, right: "np.ndarray", gold: "np.ndarray", predicted: "np.ndarray"
) -> "np.ndarray":
    """Precision, recall or F1 from what is right, what should be said and what is said.

    0 where it is not defined, as in scikit-learn with `zero_division=0`.
    """
    import numpy as np

    # F1 is the harmonic mean of precision and recall, that is 2 right / (gold + predicted).
    above, below = {
        "precision": (right, predicted),
        "recall": (right, gold),
        "f1": (2 * right, gold + predicted),
    }[kind]
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)


def scores_of(predictions: "pa.Table", labels: int) -> "np.ndarray":
    """The column `scores` of a predictions table, (rows, labels) float64."""
    import numpy as np

    flat = predictions["scores"].combine_chunks().flatten()
    return flat.to_numpy().astype(np.float64).reshape(-1, labels)


def roc_auc(positive: "np.ndarray", scores: "np.ndarray") -> Area:
    """The area under the ROC curve: how often a positive row has a higher score than a negative.

    A tie is a half (Mann and Whitney, 1947). The rows are sorted here, once; then an area takes
    time in proportion to their number. It is not defined where no row of one side counts.
    """
    import numpy as np

    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    negatives = negatives[np.argsort(scores[negatives])]
    # How many negative rows, as sorted, are below each positive one, and how many not above it.
    low, high = (
        np.searchsorted(scores[negatives], scores[positives], side) for side in ("left", "right")
    )

    def area(counts: "np.ndarray") -> float | None:
        below = np.concatenate([[0], np.cumsum(counts[negatives])])
        mine = counts[positives]
        pairs = int(mine.sum()) * int(below[-1])
        return float(mine @ (below[low] + below[high])) / (2 * pairs) if pairs else None

    return area
