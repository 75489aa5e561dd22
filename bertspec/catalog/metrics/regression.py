"""Metrics of regression, by scikit-learn and scipy, from the predictions table alone."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import Measure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Metric = Callable[[str, "np.ndarray"], float | None]
"""One of `TextRegression.metrics`, and how often each row counts -> the metric of a target; None
where it is not defined.
"""

OF_DIFFERENCES = ("r2", "pearson", "spearman")
"""Metrics that gold numbers define only where they are not all the same."""


def all_equal(gold: "np.ndarray") -> "np.ndarray":
    """Of each target, whether (rows, targets) numbers are the same as the 32-bit floats that models
    compute with.
    """
    return (gold.astype("float32") == gold[:1].astype("float32")).all(axis=0)


def numbers(column: "pa.ChunkedArray", targets: int) -> "np.ndarray":
    """A column of numbers, or of lists of them, as (rows, targets) float64."""
    import numpy as np

    return np.array(column.to_pylist(), np.float64).reshape(len(column), targets)


def measurer(names: Sequence[str], targets: int, predictions: "pa.Table") -> Measure:
    """Metrics of a table with `gold` and `prediction`, each the mean over the targets.

    R2 and the correlations are the mean over the targets whose gold numbers differ. Where none
    does they are not defined, and left out. Predictions that are all the same correlate by 0.
    """
    each = _of_targets(targets, predictions)

    def measure(counts: "np.ndarray") -> Mapping[str, float]:
        found = {name: [target(name, counts) for target in each] for name in names}
        defined = {name: [v for v in values if v is not None] for name, values in found.items()}
        return {name: sum(values) / len(values) for name, values in defined.items() if values}

    return measure


def measure_targets(
    names: Sequence[str], targets: Sequence[str], predictions: "pa.Table"
) -> Mapping[str, Mapping[str, float]]:
    """Metrics of each target, and its rows."""
    import numpy as np

    counts = np.ones(len(predictions), np.int64)
    each = zip(targets, _of_targets(len(targets), predictions), strict=True)
    return {
        target: {name: v for name in names if (v := measure(name, counts)) is not None}
        | {"rows": len(predictions)}
        for target, measure in each
    }


def _of_targets(targets: int, predictions: "pa.Table") -> Sequence[Metric]:
    sides = (numbers(predictions[name], targets).T for name in ("gold", "prediction"))
    return [_of_target(gold, predicted) for gold, predicted in zip(*sides, strict=True)]


def _of_target(gold: "np.ndarray", predicted: "np.ndarray") -> Metric:
    from functools import cache

    import numpy as np
    from scipy import stats
    from sklearn import metrics

    # Numbers are sorted once, and only for Spearman's correlation.
    rankers = cache(lambda: (_ranker(gold), _ranker(predicted)))
    functions: dict[str, Callable[..., Any]] = {
        "r2": metrics.r2_score,
        "mse": metrics.mean_squared_error,
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
    }

    def measure(name: str, counts: "np.ndarray") -> float | None:
        taken = counts > 0
        if name in OF_DIFFERENCES and all_equal(gold[taken, None])[0]:
            return None
        if name not in ("pearson", "spearman"):
            return float(functions[name](gold, predicted, sample_weight=counts))
        if not np.ptp(predicted[taken]):
            return 0.0
        sides = [gold, predicted]
        if name == "spearman":  # that of the ranks
            sides = [ranks(counts) for ranks in rankers()]
        with warnings.catch_warnings():
            # Numbers that hardly differ: the result may be imprecise, and is what there is.
            warnings.simplefilter("ignore", stats.NearConstantInputWarning)
            return float(stats.pearsonr(*(np.repeat(side, counts) for side in sides)).statistic)

    return measure


def _ranker(values: "np.ndarray") -> "Callable[[np.ndarray], np.ndarray]":
    """How often each row counts -> the rank of each row's number; equal ones have their mean."""
    import numpy as np

    levels = np.unique(values, return_inverse=True)[1]

    def ranks(counts: "np.ndarray") -> "np.ndarray":
        sizes = np.bincount(levels, counts)
        of_levels: np.ndarray = np.cumsum(sizes) - (sizes - 1) / 2
        return of_levels[levels]

    return ranks
