"""Metrics of classification, by scikit-learn, from the predictions table alone."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def measure(
    names: Sequence[str], labels: Sequence[str], predictions: "pa.Table"
) -> Mapping[str, float]:
    """The named metrics of a table with `gold` and `prediction` (labels) and `scores`.

    `scores` are probabilities in the order of `labels`. F1, precision and recall without an
    average are those of the second of two labels; with `_macro`, `_micro` or `_weighted` they are
    averaged over all `labels`, a label without an example counting as 0. ROC-AUC is the second
    label's, or the macro average of one label against the rest over the labels that have both a
    row and a row of another label. Where none has, ROC-AUC is not defined, and left out.
    """
    import numpy as np

    gold = np.array(predictions["gold"].to_pylist())
    predicted = np.array(predictions["prediction"].to_pylist())
    scores = np.array(predictions["scores"].to_pylist(), dtype=np.float64)
    found = {name: _metric(name, gold, predicted, scores, labels) for name in names}
    return {name: float(value) for name, value in found.items() if value is not None}


def _metric(
    name: str,
    gold: "np.ndarray",
    predicted: "np.ndarray",
    scores: "np.ndarray",
    labels: Sequence[str],
) -> float | None:
    from sklearn import metrics

    if name == "accuracy":
        return float(metrics.accuracy_score(gold, predicted))
    if name == "matthews":
        with warnings.catch_warnings():
            # A single label among rows and predictions: 0, and no need to warn of it.
            warnings.simplefilter("ignore", UserWarning)
            return float(metrics.matthews_corrcoef(gold, predicted))
    if name == "roc_auc":
        return _roc_auc(gold, scores, labels)
    kind, _, average = name.partition("_")
    functions: dict[str, Callable[..., Any]] = {
        "f1": metrics.f1_score,
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
    }
    options: dict[str, Any] = {"average": "binary", "pos_label": labels[-1]}
    if average:
        options = {"average": average, "labels": list(labels)}
    return float(functions[kind](gold, predicted, zero_division=0.0, **options))


def _roc_auc(gold: "np.ndarray", scores: "np.ndarray", labels: Sequence[str]) -> float | None:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    columns = [1] if len(labels) == 2 else range(len(labels))  # noqa: PLR2004 - binary
    defined = [c for c in columns if len(set(gold == labels[c])) == 2]  # noqa: PLR2004 - both
    areas = [roc_auc_score(gold == labels[c], scores[:, c]) for c in defined]
    return float(np.mean(areas)) if areas else None
