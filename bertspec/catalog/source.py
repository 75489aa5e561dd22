"""The contract of a data source: where rows come from, before any column is given a meaning."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.core.errors import InputError
from bertspec.core.model import Model

if TYPE_CHECKING:
    import pyarrow as pa

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

FILE_COLUMN = "_file"
ROW_COLUMN = "_row"
"""Provenance that a source adds to each row: the file it is from, and its number there from 1.

Rows are counted as records: a header is not one, and a quoted line break does not start one.
"""

FilePath = Annotated[str, StringConstraints(min_length=1)]


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

    @abstractmethod
    def read(self, root: Path) -> Iterator[tuple[SplitName, "pa.Table"]]:
        """Each given split as a table of the source's own columns and its provenance.

        Raises InputError naming file and row for what cannot be read, EnvironmentFault when a
        hub cannot be reached.
        """


def with_provenance(table: "pa.Table", file: str) -> "pa.Table":
    """The rows of `file` with FILE_COLUMN and ROW_COLUMN.

    Raises InputError (E304) when they have a column of such a name already.
    """
    import pyarrow as pa

    for column in (FILE_COLUMN, ROW_COLUMN):
        if column in table.column_names:
            raise InputError.of(
                "E304",
                f"{file} has a column `{column}`, and bertspec adds one of that name",
                "rename it",
            )
    files = pa.array([file] * len(table), pa.dictionary(pa.int32(), pa.string()))
    rows = pa.array(range(1, len(table) + 1), pa.int64())
    return table.append_column(FILE_COLUMN, files).append_column(ROW_COLUMN, rows)


class FileSource(Source):
    """A source of one local file a split."""

    files: dict[SplitName, FilePath] = Field(
        min_length=1,
        description="The file of each split, relative to the project. "
        "Give only `train` when `split` divides it.",
    )

    def dependencies(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.files.values())))

    def given_splits(self) -> tuple[SplitName, ...]:
        return tuple(s for s in SPLITS if s in self.files)

    def read(self, root: Path) -> Iterator[tuple[SplitName, "pa.Table"]]:
        for split in self.given_splits():
            name = self.files[split]
            yield split, with_provenance(self.read_file(root / name, name), name)

    @abstractmethod
    def read_file(self, path: Path, name: str) -> "pa.Table":
        """The rows of one file. `name` is the path as the user wrote it, for messages."""
