"""How probabilities are made honest, and where they become a decision; fitted on validation."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bertspec.catalog.metrics.levels import level_ends
from bertspec.core.model import Model

if TYPE_CHECKING:
    import numpy as np

BINS = 15
"""Of equal width, as in Guo et al. (2017)."""


class Likeliest(Model):
    """The label with the largest probability."""

    type: Literal["likeliest"] = Field(description="The label with the largest probability.")


class AtLeastPrecision(Model):
    """The second label where this is right often enough."""

    type: Literal["precision"] = Field(
        description="The second of two labels from the lowest probability on that gives this "
        "precision on validation: as much recall as it allows."
    )
    at_least: float = Field(gt=0, le=1, description="The precision that is wanted.")


class AtLeastRecall(Model):
    """The second label often enough that few are missed."""

    type: Literal["recall"] = Field(
        description="The second of two labels from the highest probability on that gives this "
        "recall on validation: as much precision as it allows."
    )
    at_least: float = Field(gt=0, le=1, description="The recall that is wanted.")


if TYPE_CHECKING:
    Rule = Likeliest | AtLeastPrecision | AtLeastRecall
else:
    Rule = Annotated[Likeliest | AtLeastPrecision | AtLeastRecall, Field(discriminator="type")]


def fit_temperature(logits: "np.ndarray", labels: "np.ndarray") -> float:
    """By what (rows, labels) logits are divided so that `labels` are likeliest (Guo et al., 2017).

    Between 0.05 and 20: rows that are all right would have them divided by ever less.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    finite = np.clip(logits, -1e4, None)  # a vote of no window is minus infinity

    def loss(logarithm: float) -> float:
        shares = log_softmax(finite / np.exp(logarithm), axis=1)
        return -float(shares[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def fit_threshold(rule: Rule, shares: "np.ndarray", positive: "np.ndarray") -> float | None:
    """The probability from which on a row counts as positive; None where none meets the rule.

    It lies between two probabilities that were seen and differ by more than NOISE, so that rounding
    moves no row over it.
    """
    import numpy as np

    if isinstance(rule, Likeliest) or not positive.any():
        return None
    order = np.argsort(-shares, kind="stable")
    ordered = shares[order]
    ends = level_ends(ordered)
    hits = np.cumsum(positive[order])[ends - 1]
    if isinstance(rule, AtLeastPrecision):
        good = np.flatnonzero(hits / ends >= rule.at_least)
        if not len(good):
            return None
        chosen = int(good[-1])
    else:
        chosen = int(np.flatnonzero(hits / positive.sum() >= rule.at_least)[0])
    end = ends[chosen]
    below = ordered[end] if end < len(ordered) else 0.0
    return float((ordered[end - 1] + below) / 2)


def reliability(confidence: "np.ndarray", is_right: "np.ndarray") -> list[dict[str, float]]:
    """Bins of equal width that have rows: mean confidence, share that is right, and rows."""
    import numpy as np

    bins = _bins(confidence)
    return [
        {
            "confidence": float(confidence[bins == b].mean()),
            "accuracy": float(is_right[bins == b].mean()),
            "rows": int((bins == b).sum()),
        }
        for b in np.unique(bins)
    ]


def expected_calibration_error(
    confidence: "np.ndarray", is_right: "np.ndarray", counts: "np.ndarray"
) -> float:
    """Mean distance of confidence from accuracy, over rows in bins (Naeini et al., 2015).

    `counts` is how often each row counts.
    """
    import numpy as np

    gaps = np.bincount(_bins(confidence), counts * (confidence - is_right))
    return float(np.abs(gaps).sum() / counts.sum())


def _bins(confidence: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.minimum((confidence * BINS).astype(int), BINS - 1)
