"""The contract of a data source: where rows come from, before any column is given a meaning."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import StringConstraints

from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.floating import Floating
from bertspec.catalog.material import Material
from bertspec.core.errors import at_field
from bertspec.core.model import Model

if TYPE_CHECKING:
    import pyarrow as pa

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


TAKEN = "_taken"
"""A column that a source may add: whether the row is taken. Rows that are not stay in the raw
table, so that numbers of rows are those of the file.
"""

FilePath = Annotated[str, StringConstraints(min_length=1)]


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of one file, small enough for memory. They become one shard."""

    file: str
    """What the rows are from, for messages and provenance."""
    key: str | None
    """A digest of all that the rows are read from; None where it is not known without reading."""
    read: Callable[[int], "pa.Table"]
    """Number in `file` of the first row, from 1 -> the rows, with the source's own columns.

    Rows are counted as records: a header is not one, and a quoted line break does not start one.
    The number is for messages alone. Raises InputError naming file and row.
    """


def located(
    pieces: Iterable[tuple[SplitName, Piece]], *path: str | int
) -> Iterator[tuple[SplitName, Piece]]:
    """The same pieces; errors of reading them are about what is at `path` of the source."""

    def at(piece: Piece) -> Piece:
        def read(first: int) -> "pa.Table":
            with at_field(*path):
                return piece.read(first)

        return replace(piece, read=read)

    with at_field(*path):
        for split, piece in pieces:
            yield split, at(piece)


class Source(Model, ABC):
    """Options and behaviour of one kind of source."""

    packages: ClassVar[tuple[str, ...]] = ("pyarrow",)
    """Distributions whose version can change what `read` gives."""

    type: str

    @abstractmethod
    def dependencies(self) -> tuple[str, ...]:
        """Local files that the rows come from, relative to the project. DVC watches them."""

    @abstractmethod
    def given_splits(self) -> tuple[SplitName, ...]:
        """The splits that this source names."""

    def list_columns(self) -> tuple[str, ...]:
        """Columns that are known to be lists, whatever the files hold."""
        return ()

    def floating(self) -> Sequence[Floating]:
        """What of it the lock must fix."""
        return ()

    def pinned(self, pins: Mapping[str, str]) -> Self:
        """The same with all of it fixed that `pins` has, by its name."""
        return self

    def materials(self) -> Sequence[Material]:
        """What of it lies elsewhere, when all of it is fixed."""
        return ()

    @abstractmethod
    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        """The rows of each given split, in order, a piece at a time.

        What is `known` of an earlier run is not looked through again.
        Raises InputError naming the file for what cannot be read, EnvironmentFault when a hub
        cannot be reached.
        """
