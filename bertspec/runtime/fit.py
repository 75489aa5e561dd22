"""The over- or underfitting verdict, with its evidence."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import Task
from bertspec.pipeline.params.evaluate import Fit

if TYPE_CHECKING:
    import pyarrow as pa


TINY = 30
"""Test rows below which nothing is certain: where all n of them are right, up to 3 / n of others
may be wrong, which is a tenth of 30 (the rule of three: Hanley and Lippman-Hand, JAMA 1983). The
bootstrap does not see that; its interval is then a point.
"""


def verdict(
    task: Task,
    metrics: dict[str, dict[str, float]],
    test: "pa.Table",
    options: Fit,
    interval: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """`underfitting` when train is not above the task's baseline by `min_gain`;
    else `overfitting` when train is above test by more than `max_gap`; else `good fit`.

    In this order: who has not learned the training split cannot have learned it by heart, however
    much worse the test split is.

    `metrics` has the headline metric of `train` and `test`; `test` the predictions there, and
    `interval` is `low` and `high` of the metric there. Where these leave both words possible, the
    evidence says so, and `too_few_rows` is true.
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
    # The gap says nothing of who has not learned the training split.
    apart = None if interval is None or word == "underfitting" else interval
    doubt = _doubt(len(test), train, apart, options)
    losses = f"loss {metrics['train']['loss']:.3f} and {metrics['test']['loss']:.3f}"
    return {
        "verdict": word,
        "evidence": f"{headline} {train:.3f} on train and {unseen:.3f} on test ({losses}), "
        f"{baseline:.3f} for {who}: {reason}{doubt and f'; {doubt}'}",
        "gap": gap,
        "baseline": baseline,
        **({"too_few_rows": True} if doubt else {}),
    }


def _doubt(rows: int, train: float, interval: Mapping[str, float] | None, options: Fit) -> str:
    """Why the test rows are too few for the verdict; empty where they are enough."""
    if rows < TINY:
        return f"but {rows} test rows are too few rows to tell"
    if interval is not None:
        low, high = train - interval["high"], train - interval["low"]
        if low <= options.max_gap < high:
            return (
                f"but the gap is {low:.3f} to {high:.3f}: {rows} test rows are too few rows to tell"
            )
    return ""
