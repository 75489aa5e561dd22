"""The over- or underfitting verdict, with its evidence."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from bertspec.pipeline.params.evaluate import Fit

if TYPE_CHECKING:
    import pyarrow as pa


def verdict(
    headline: str, metrics: dict[str, dict[str, float]], test: "pa.Table", options: Fit
) -> dict[str, Any]:
    """`underfitting` when train is not above the share of the most frequent label by `min_gain`;
    else `overfitting` when train is above test by more than `max_gap`; else `good fit`.

    In this order: who has not learned the training split cannot have learned it by heart, however
    much worse the test split is.

    `metrics` has the headline metric of `train` and `test`; `test` the predictions there.
    """
    train, unseen = metrics["train"][headline], metrics["test"][headline]
    gold = Counter(test["gold"].to_pylist())
    majority = max(gold.values()) / len(test)
    gap = train - unseen
    if train < majority + options.min_gain:
        word = "underfitting"
        reason = f"train is less than {options.min_gain:g} above always saying the commonest label"
    elif gap > options.max_gap:
        word = "overfitting"
        reason = f"the gap of {gap:.3f} is above {options.max_gap:g}"
    else:
        word = "good fit"
        reason = f"the gap of {gap:.3f} is not above {options.max_gap:g}"
    losses = f"loss {metrics['train']['loss']:.3f} and {metrics['test']['loss']:.3f}"
    return {
        "verdict": word,
        "evidence": f"{headline} {train:.3f} on train and {unseen:.3f} on test ({losses}), "
        f"{majority:.3f} for the commonest label: {reason}",
        "gap": gap,
        "majority": majority,
    }
