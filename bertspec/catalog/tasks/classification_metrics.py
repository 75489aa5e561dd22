"""Metrics of classification, by scikit-learn, from the predictions table alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.core.errors import InputError

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
    label's, or the macro average of one label against the rest.
    Raises InputError (E411) for ROC-AUC of a split in which a label has no example.
    """
    import numpy as np

    gold = np.array(predictions["gold"].to_pylist())
    predicted = np.array(predictions["prediction"].to_pylist())
    scores = np.array(predictions["scores"].to_pylist(), dtype=np.float64)
    return {name: float(_metric(name, gold, predicted, scores, labels)) for name in names}


def _metric(
    name: str,
    gold: "np.ndarray",
    predicted: "np.ndarray",
    scores: "np.ndarray",
    labels: Sequence[str],
) -> float:
    from sklearn import metrics

    if name == "accuracy":
        return float(metrics.accuracy_score(gold, predicted))
    if name == "matthews":
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


def _roc_auc(gold: "np.ndarray", scores: "np.ndarray", labels: Sequence[str]) -> float:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    missing = [label for label in labels if label not in set(gold)]
    if missing:
        raise InputError.of(
            "E411",
            f"roc_auc cannot be measured: a split has no row with label `{missing[0]}`",
            "leave roc_auc out of `evaluation.metrics`, or give the split more rows",
        )
    columns = [1] if len(labels) == 2 else range(len(labels))  # noqa: PLR2004 - binary
    areas = [roc_auc_score(gold == labels[column], scores[:, column]) for column in columns]
    return float(np.mean(areas))
