"""What evaluate reads."""

from typing import Annotated

from pydantic import Field, StringConstraints

from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import Model

Bound = Annotated[str, StringConstraints(pattern=r"^(>=|<=|>|<) ?-?[0-9]+(\.[0-9]+)?$")]


class Fit(Model):
    """When a model counts as over- or underfitted, by the task's headline metric."""

    max_gap: float = Field(
        default=0.1, ge=0, description="Overfitted when train is above test by more than this."
    )
    min_gain: float = Field(
        default=0.1,
        ge=0,
        description="Underfitted when train is not above the majority label's share by this.",
    )


class Evaluation(Model):
    """What is measured, and what must hold."""

    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="Metrics of each split; `loss` is always measured."
    )
    require: dict[str, Bound] = Field(
        default={},
        description="Bounds on metrics of the test split, such as `{accuracy: '>= 0.80'}`. "
        "The stage fails where one does not hold.",
    )
    fit: Fit = Field(default=Fit(), description="The over- or underfitting verdict.")


class EvaluateParams(Model):
    """Params of an evaluate stage."""

    task: AnyTask
    evaluation: Evaluation
