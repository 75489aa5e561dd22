"""Parquet files, read a batch of rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bertspec.catalog.columnar import PART, pieces_of_batches, reading
from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.opening import require_file
from bertspec.catalog.source import Piece

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 16384
"""Rows that are read at once; fewer where they are long."""

BUFFER = 1 << 20
"""Bytes of a column that are read at once: without it, it is all that a row group has of it."""


class Parquet(FileSource):
    """Parquet files. Columns keep their types until they are mapped."""

    type: Literal["parquet"] = Field(description="Parquet.")

    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        require_file(path, name)
        with reading(name, "Parquet"), opened(path) as file:
            batches: Iterator[pa.RecordBatch] = file.iter_batches(
                rows_at_once(file.metadata), use_threads=False
            )
            yield from pieces_of_batches(batches, file.schema_arrow, name)


def opened(path: Path) -> "pa.parquet.ParquetFile":
    """The file, of which no more than is asked for will be in memory."""
    from pyarrow import parquet

    return parquet.ParquetFile(
        path, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True
    )


def rows_at_once(metadata: "pa.parquet.FileMetaData") -> int:
    """How many rows to read at a time."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    longest = max((g.total_byte_size // max(g.num_rows, 1) for g in groups), default=0)
    return max(1, min(BATCH, PART // max(longest, 1)))
