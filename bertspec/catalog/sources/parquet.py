"""Parquet files, read a batch of rows at a time."""

from collections.abc import Iterator, Sequence
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

FEW, SOME = 16, 1024
"""The same where a value may be as long as all that its row group has of the column, as in a
dictionary, which holds a text of all rows once. SOME where a column stays a dictionary, as that is
made again for each batch, and where so many are no more than MOST."""

MOST = 1 << 26
"""Bytes of SOME rows."""

WIDTH = 8
"""Bytes of a number, or of where a text ends."""

BUFFER = 1 << 20
"""Bytes of a column that are read at once: without it, it is all that a row group has of it."""


class Parquet(FileSource):
    """Parquet files. Columns keep their types until they are mapped."""

    type: Literal["parquet"] = Field(description="Parquet.")

    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        require_file(path, name)
        with reading(name, "Parquet"), opened(path) as file:
            yield from pieces_of_batches(batches_of(file), file.schema_arrow, name)


def opened(path: Path) -> "pa.parquet.ParquetFile":
    """The file, of which no more than is asked for will be in memory."""
    from pyarrow import parquet

    return parquet.ParquetFile(
        path, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True
    )


def batches_of(
    file: "pa.parquet.ParquetFile", columns: Sequence[str] | None = None
) -> Iterator["pa.RecordBatch"]:
    """The rows of a file, about PART bytes at a time, with these columns or all of them."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in file.iter_batches(
        rows_at_once(file, columns), columns=columns and list(columns), use_threads=False
    ):
        waiting.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= BATCH or size >= PART:
            yield _joined(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield _joined(waiting)


def _joined(batches: "Sequence[pa.RecordBatch]") -> "pa.RecordBatch":
    import pyarrow as pa

    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def rows_at_once(file: "pa.parquet.ParquetFile", columns: Sequence[str] | None = None) -> int:
    """How many rows to read at a time, so that about PART bytes of these columns are in memory."""
    import pyarrow as pa

    names = None if columns is None else tuple(f"{name}." for name in columns)
    coded = {field.name for field in file.schema_arrow if pa.types.is_dictionary(field.type)}
    if columns is not None:
        coded &= set(columns)
    mean = most = 0
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        held = [
            about
            for about in map(group.column, range(group.num_columns))
            if names is None or f"{about.path_in_schema}.".startswith(names)
        ]
        mean = max(mean, sum(map(_decoded, held)) // max(group.num_rows, 1))
        repeated = [_longest(about) for about in held if about.path_in_schema not in coded]
        most = max(most, sum(repeated))
    rows = PART // max(mean, 1)
    if most > 0:
        least = SOME if coded and most * SOME <= MOST else FEW
        rows = min(rows, max(PART // most, least))
    return max(1, min(BATCH, rows))


def _decoded(about: "pa.parquet.ColumnChunkMetaData") -> int:
    """Bytes of a column of a row group in memory, at least."""
    return int(max(about.total_uncompressed_size, WIDTH * about.num_values))


def _longest(about: "pa.parquet.ColumnChunkMetaData") -> int:
    """Bytes of the longest value that may be repeated in it, at most; 0 where each is written."""
    has_any_length = about.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
    is_plain = {"PLAIN", "RLE", "BIT_PACKED"}.issuperset(about.encodings)
    return int(about.total_uncompressed_size) if has_any_length and not is_plain else 0
