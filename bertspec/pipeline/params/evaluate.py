"""What evaluate reads."""

from typing import Annotated

from pydantic import Field, StringConstraints

from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import Model
from bertspec.pipeline.params.where import Where

Bound = Annotated[str, StringConstraints(pattern=r"^(>=|<=|>|<) ?-?[0-9]+(\.[0-9]+)?$")]


def parted(bound: str) -> tuple[str, float]:
    """The sign of a Bound, and its number."""
    return bound.rstrip("0123456789. -"), float(bound.lstrip("<>= "))


class Fit(Model):
    """When a model counts as over- or underfitted, by the task's headline metric."""

    max_gap: float = Field(
        default=0.1, ge=0, description="Overfitted when train is above test by more than this."
    )
    min_gain: float = Field(
        default=0.1,
        ge=0,
        description="Underfitted when train is not above who has learned nothing by this.",
    )


class Intervals(Model):
    """Confidence intervals of the test split's metrics, by the bootstrap."""

    resamples: int = Field(
        default=1000, ge=20, le=100_000, description="How often the rows are drawn again."
    )
    level: float = Field(
        default=0.95, gt=0, lt=1, description="Share of the resamples inside an interval."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the draws.")


class Evaluation(Model):
    """What is measured, and what must hold."""

    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="Metrics of each split; `loss` is always measured."
    )
    require: dict[str, Bound] = Field(
        default={},
        description="Bounds on metrics of the test split, such as `{accuracy: '>= 0.80'}`, and of "
        "one of its classes, such as `{classes.good.f1: '>= 0.80'}`. The stage fails where one "
        "does not hold.",
    )
    intervals: Intervals | None = Field(
        default=Intervals(),
        description="Confidence intervals of the test split's metrics; null for none.",
        json_schema_extra={"since": 2},
    )
    slices: dict[str, Where] = Field(
        default={},
        description="Parts of the test split that are measured on their own: a name, and a "
        "condition on one of `data.columns`. Each value of `columns.slice` is one, too.",
        json_schema_extra={"since": 2},
    )
    baselines: bool = Field(
        default=True,
        description="Measure simple models beside yours, where the task has some.",
        json_schema_extra={"since": 2},
    )
    fit: Fit = Field(default=Fit(), description="The over- or underfitting verdict.")


class EvaluateParams(Model):
    """Params of an evaluate stage."""

    task: AnyTask
    evaluation: Evaluation
    aggregate: Aggregate | None = None
    """How the scores of a row's windows become one; None where there are no windows."""
