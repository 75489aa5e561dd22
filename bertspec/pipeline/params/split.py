"""How rows are divided into train, validation and test."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from bertspec.core.model import Model
from bertspec.pipeline.params.columns import ColumnName, later

Share = Annotated[float, Field(ge=0, lt=1)]


class HashSplit(Model):
    """A row's split is a function of its content alone: other rows may come and go."""

    type: Literal["hash"] = Field(description="By a digest of each row's content.")
    validation: Share = Field(default=0.1, description="Share of the rows for validation.")
    test: Share = Field(default=0.2, description="Share of the rows for the test.")
    group: ColumnName | None = Field(
        default=None,
        description="Column whose equal values stay in one split, such as `film` or `author`.",
    )
    salt: str = Field(default="", description="Another salt gives another split.")
    stratify: str | None = later(
        "Field of `columns`, such as `label`, for each value of which the shares must hold. "
        "It moves no row: `prepare` fails where they do not, and names a salt with which they do."
    )
    tolerance: float = later(
        "By how much a share may be off for a value of `stratify`. Less than one row is never off.",
        default=0.02,
        gt=0,
        lt=1,
    )

    def has_validation(self) -> bool:
        return self.validation > 0


class GivenSplit(Model):
    """The splits that the source names."""

    type: Literal["given"] = Field(description="As the source names them.")
    validation: Share = Field(
        default=0.0,
        description="Share of `train` to take, by content, when the source names no validation.",
    )

    def has_validation(self) -> bool:
        """Whether it takes one; the source may name one all the same."""
        return self.validation > 0


ISO_8601 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
"""Dates and times that are read; one without an offset is UTC."""


def instant(text: str) -> datetime:
    """A time of the form ISO_8601. Raises ValueError for one that no calendar has."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_in_the_calendar(text: str) -> str:
    try:
        instant(text)
    except ValueError as error:
        raise PydanticCustomError("date", "{why}", {"why": f"{error}"}) from None
    return text


Instant = Annotated[str, StringConstraints(pattern=ISO_8601), AfterValidator(_is_in_the_calendar)]


class TimeSplit(Model):
    """Older rows are learned from, newer ones are for validation and test."""

    type: Literal["time"] = Field(description="By the time of each row.")
    column: ColumnName = Field(
        description="Column of the time: ISO 8601, such as `2024-05-31` or `2024-05-31T12:00:00Z`, "
        "or whole Unix seconds. A time without an offset is UTC."
    )
    validation_from: Instant | None = Field(
        default=None, description="The first time of validation; null for no validation."
    )
    test_from: Instant = Field(description="The first time of the test.")

    def has_validation(self) -> bool:
        return self.validation_from is not None


class KFoldSplit(Model):
    """Folds by content, one of which is the test; specs with other folds test on other rows."""

    type: Literal["k-fold"] = Field(description="By content, into folds; one is the test.")
    folds: int = Field(default=5, ge=2, description="Number of folds.")
    fold: int = Field(ge=0, description="The fold that is the test, from 0.")
    validation: Share | None = Field(
        default=None,
        description="Share of all rows for validation, from the folds after the test; "
        "null for the whole next fold.",
    )
    group: ColumnName | None = Field(
        default=None,
        description="Column whose equal values stay in one fold, such as `film` or `author`.",
    )
    salt: str = Field(default="", description="Another salt gives other folds.")

    def has_validation(self) -> bool:
        return self.validation is None or self.validation > 0


if TYPE_CHECKING:
    Split = HashSplit | GivenSplit | TimeSplit | KFoldSplit
else:
    Split = Annotated[HashSplit | GivenSplit | TimeSplit | KFoldSplit, Field(discriminator="type")]
