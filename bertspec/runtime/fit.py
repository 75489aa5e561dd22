"""The over- or underfitting verdict, with its evidence."""

from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import Task
from bertspec.pipeline.params.evaluate import Fit

if TYPE_CHECKING:
    import pyarrow as pa


def verdict(
    task: Task, metrics: dict[str, dict[str, float]], test: "pa.Table", options: Fit
) -> dict[str, Any]:
    """`underfitting` when train is not above the task's baseline by `min_gain`;
    else `overfitting` when train is above test by more than `max_gap`; else `good fit`.

    In this order: who has not learned the training split cannot have learned it by heart, however
    much worse the test split is.

    `metrics` has the headline metric of `train` and `test`; `test` the predictions there.
    """
    headline = task.headline
    train, unseen = metrics["train"].get(headline), metrics["test"].get(headline)
    if train is None or unseen is None:
        return {"verdict": "unknown", "evidence": f"{headline} is not defined on train and test"}
    baseline, who = task.baseline(test)
    gap = train - unseen
    if train < baseline + options.min_gain:
        word = "underfitting"
        reason = f"train is less than {options.min_gain:g} above {who}"
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
        f"{baseline:.3f} for {who}: {reason}",
        "gap": gap,
        "baseline": baseline,
    }
