"""Parquet files, read a batch of rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.opening import require_file
from bertspec.catalog.source import Piece
from bertspec.catalog.tables import decoded, pieces_of
from bertspec.core.errors import InputError, reason

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 16384
"""Rows that are read at once."""


class Parquet(FileSource):
    """Parquet files. Columns keep their types until they are mapped."""

    type: Literal["parquet"] = Field(description="Parquet.")

    def read_file(self, path: Path, name: str) -> Iterator[Piece]:
        require_file(path, name)
        return pieces_of(_tables(path, name), name)


def _tables(path: Path, name: str) -> Iterator["pa.Table"]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                yield decoded(pa.Table.from_batches([batch]))
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError.of(
            "E331", f"{name} is not Parquet that can be read: {reason(error)}", "write it again"
        ) from None
