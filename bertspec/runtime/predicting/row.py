"""A row of a file to predict: its values and its place, or what is wrong with it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bertspec.core.errors import BertspecError, InputError
from bertspec.core.names import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Wanted:
    """What is read of each row."""

    fields: Mapping[str, str]
    """Field of the model -> column."""
    carried: Mapping[str, str] = field(default_factory=dict)
    """Name in the output -> column."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Each column once."""
        return tuple(dict.fromkeys([*self.fields.values(), *self.carried.values()]))


@dataclass(frozen=True)
class Row:
    """A row as it was read."""

    place: str
    """Where it is, for messages: a file, and the number of a row or a line in it."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of each field, but for what cannot be read."""
    carried: Mapping[str, Any] = field(default_factory=dict)
    """The same of what is carried."""
    fault: BertspecError | None = None
    """Why it cannot be read."""


@dataclass(frozen=True)
class Rows:
    """The rows of a file, read as they are asked for."""

    rows: Iterator[Row]
    types: "Mapping[str, pa.DataType]" = field(default_factory=dict)
    """Of what is carried."""


def text_types(wanted: Wanted) -> "Mapping[str, pa.DataType]":
    """Of what is carried from a file of text: in a table it is text, or JSON."""
    import pyarrow as pa

    return dict.fromkeys(wanted.carried, pa.string())


def row_of(
    place: str, record: Mapping[str, Any], wanted: Wanted, fault: BertspecError | None = None
) -> Row:
    """A row with what a record has of what is wanted. What is carried may not be there.

    Its fault is the one that is given, or a column of a field that is not there (E309).
    """
    values = {name: record[column] for name, column in wanted.fields.items() if column in record}
    carried = {name: record.get(column) for name, column in wanted.carried.items()}
    return Row(place, values, carried, fault or missing(wanted.fields.values(), record))


def missing(columns: Collection[str], known: Collection[str]) -> BertspecError | None:
    """An error (E309) about the first of the columns that is not known, if there is one."""
    for column in columns:
        if column not in known:
            return InputError.of(
                "E309",
                f"there is no column `{column}`",
                f"choose another with --column or --carry; {did_you_mean(column, known)}",
            )
    return None
