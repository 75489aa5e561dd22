"""Metrics of regression, by scikit-learn and scipy, from the predictions table alone."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import Measure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

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
    gold, predicted = (numbers(predictions[name], targets) for name in ("gold", "prediction"))

    def measure(rows: "np.ndarray | None") -> Mapping[str, float]:
        chosen = slice(None) if rows is None else rows
        pairs = list(zip(gold[chosen].T, predicted[chosen].T, strict=True))
        found = {name: [_metric(name, *pair) for pair in pairs] for name in names}
        defined = {name: [v for v in values if v is not None] for name, values in found.items()}
        return {name: sum(values) / len(values) for name, values in defined.items() if values}

    return measure


def measure_targets(
    names: Sequence[str], targets: Sequence[str], predictions: "pa.Table"
) -> Mapping[str, Mapping[str, float]]:
    """Metrics of each target, and its rows."""
    gold, predicted = (
        numbers(predictions[name], len(targets)).T for name in ("gold", "prediction")
    )
    return {
        target: {n: v for n in names if (v := _metric(n, gold[i], predicted[i])) is not None}
        | {"rows": len(predictions)}
        for i, target in enumerate(targets)
    }


def _metric(name: str, gold: "np.ndarray", predicted: "np.ndarray") -> float | None:
    """One of `TextRegression.metrics` of one target; None where it is not defined."""
    import numpy as np
    from scipy import stats
    from sklearn import metrics

    if name in OF_DIFFERENCES and all_equal(gold[:, None])[0]:
        return None
    if name in ("pearson", "spearman"):
        if not np.ptp(predicted):
            return 0.0
        correlation = stats.pearsonr if name == "pearson" else stats.spearmanr
        with warnings.catch_warnings():
            # Numbers that hardly differ: the result may be imprecise, and is what there is.
            warnings.simplefilter("ignore", stats.NearConstantInputWarning)
            return float(correlation(gold, predicted).statistic)
    functions: dict[str, Callable[..., Any]] = {
        "r2": metrics.r2_score,
        "mse": metrics.mean_squared_error,
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
    }
    return float(functions[name](gold, predicted))
