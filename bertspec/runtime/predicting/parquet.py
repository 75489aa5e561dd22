"""Rows of a Parquet file, read a batch at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.columnar import parts, reading
from bertspec.catalog.sources.parquet import batches_of, opened
from bertspec.core.errors import InputError, at_place
from bertspec.runtime.predicting.row import Row, Rows, Wanted, missing, row_of

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path, wanted: Wanted) -> Rows:
    """A .parquet file. What is carried keeps its type.

    Raises InputError: E304 for two columns of one name, E309 for a column that is not there, E331
    for a file that is damaged.
    """
    with reading(str(path), "Parquet"), opened(path) as file:
        schema: pa.Schema = file.schema_arrow
    if (fault := missing(wanted.columns, schema.names)) is not None:
        raise at_place(str(path), fault)
    if repeated := [column for column in wanted.columns if schema.names.count(column) > 1]:
        raise InputError.of("E304", f"{path} has two columns `{repeated[0]}`", "rename one of them")
    types = {name: _plain(schema.field(column).type) for name, column in wanted.carried.items()}
    return Rows(_rows(path, wanted), types)


def _plain(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _rows(path: Path, wanted: Wanted) -> Iterator[Row]:
    number = 0
    with reading(str(path), "Parquet"), opened(path) as file:
        for table in parts(batches_of(file, wanted.columns), str(path)):
            for record in table.to_pylist():
                number += 1
                yield row_of(f"{path}, row {number}", record, wanted)
