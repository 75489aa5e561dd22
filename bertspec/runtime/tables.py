"""Tables on disk: the same rows give the same bytes."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(table: "pa.Table", path: Path) -> None:
    """Parquet with fixed options and without pandas' or Arrow's schema metadata."""
    from pyarrow import parquet

    parquet.write_table(
        table.replace_schema_metadata(None),
        path,
        compression="zstd",
        row_group_size=2**16,
        store_schema=False,
    )


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """The table, or those of its columns in this order."""
    from pyarrow import parquet

    # `read_table` gives the same, and imports pandas on the way.
    with parquet.ParquetFile(path) as file:
        return file.read(None if columns is None else list(columns))


def write_csv(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """One row or more, of the same columns, for a plot."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_arrow(table: "pa.Table", path: Path) -> None:
    """An uncompressed Arrow IPC file, which `read_arrow` maps instead of reading it."""
    import pyarrow as pa

    table = table.replace_schema_metadata(None).combine_chunks()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_arrow(path: Path) -> "pa.Table":
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
