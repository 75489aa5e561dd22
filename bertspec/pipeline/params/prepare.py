"""What prepare reads: which column means what, and how rows are split."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from bertspec.core.model import Model

ColumnName = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Columns(Model):
    """Meaning of a source's columns."""

    text: ColumnName = Field(description="Column of the text.")
    text_pair: ColumnName | None = Field(
        default=None, description="Column of the second text of a pair."
    )
    label: ColumnName | None = Field(default=None, description="Column of the label.")


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


class GivenSplit(Model):
    """The splits that the source names."""

    type: Literal["given"] = Field(description="As the source names them.")
    validation: Share = Field(
        default=0.0,
        description="Share of `train` to take, by content, when the source names no validation.",
    )


if TYPE_CHECKING:
    Split = HashSplit | GivenSplit
else:
    Split = Annotated[HashSplit | GivenSplit, Field(discriminator="type")]


class PrepareParams(Model):
    """Params of a prepare stage."""

    columns: Columns
    split: Split
