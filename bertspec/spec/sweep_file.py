"""The language of sweeps/NAME.yaml: which fields of a spec are tried, and how they are chosen."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from bertspec.core.model import Model
from bertspec.pipeline.params.train import Seed
from bertspec.spec.sections import Name, Version


class Range(Model):
    """Numbers between two bounds."""

    low: int | float = Field(description="The least value.")
    high: int | float = Field(description="The largest value.")
    log: bool = Field(
        default=False, description="Draw from the logarithms, as is usual for learning rates."
    )
    step: Annotated[int | float, Field(gt=0)] | None = Field(
        default=None,
        description="Only `low` and so many steps above it; a grid needs it. Null for any value.",
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise PydanticCustomError("range", "`low` must be less than `high`")
        if self.log and self.low <= 0:
            raise PydanticCustomError("range", "with `log`, `low` must be more than 0")
        if self.log and self.step is not None:
            raise PydanticCustomError("range", "`log` and `step` exclude each other")
        return self


class Grid(Model):
    """Every combination, once."""

    type: Literal["grid"] = Field(description="Every combination; the last field varies fastest.")


class _Drawn(Model):
    trials: int = Field(ge=1, description="Trials in all; with more, a finished sweep goes on.")
    seed: Seed = Field(default=0, description="Seed of the draws.")


class Random(_Drawn):
    """Values drawn at random."""

    type: Literal["random"] = Field(description="Each value drawn by itself, at random.")


class Tpe(_Drawn):
    """Values near those that were good."""

    type: Literal["tpe"] = Field(
        description="Near those that were good, after 10 random trials: the tree-structured "
        "Parzen estimator (Bergstra et al., 2011) of Optuna."
    )


class Median(Model):
    """Stops what is worse than half of the others."""

    type: Literal["median"] = Field(
        description="Stop a trial whose best measurement so far is worse than the median of those "
        "that finished trials had by then."
    )
    startup: int = Field(default=5, ge=1, description="Finished trials before any is stopped.")
    warmup: int = Field(default=0, ge=0, description="Measurements of each trial to wait for.")


if TYPE_CHECKING:
    Sampler = Grid | Random | Tpe
    Values = tuple[Any, ...] | Range
else:
    Sampler = Annotated[Grid | Random | Tpe, Field(discriminator="type")]
    Values = Annotated[
        Annotated[tuple[Any, ...], Field(strict=False, min_length=1), Tag("list")]
        | Annotated[Range, Tag("mapping")],
        Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "mapping"),
    ]


class SweepFile(Model):
    """A search over fields of one spec."""

    bertspec: Version = Field(description="Version of the language.")
    description: str = Field(default="", description="For readers; affects nothing.")
    spec: Name = Field(description="The spec whose fields are tried.")
    metric: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="What chooses the best trial, as metrics.json has it: `validation.` and a "
        "metric of the spec. Never one of the test split, which tells how good the choice was."
    )
    sampler: Sampler = Field(description="Which values are tried, and in which order.")
    pruner: Median | None = Field(
        default=None, description="Which trials are stopped early; null for none."
    )
    fields: Annotated[dict[str, Values], Field(min_length=1)] = Field(
        description="Dotted path of a field of the spec -> a list of its values, or a range."
    )
