"""Rows of a Parquet file, read a batch at a time."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.columnar import parts, reading
from bertspec.catalog.sources.parquet import batches_of, opened
from bertspec.core.errors import BertspecError, InputError, at_place
from bertspec.runtime.predicting.lines import not_utf8
from bertspec.runtime.predicting.row import Row, Rows, Wanted, missing, row_of
from bertspec.runtime.predicting.values import python_of

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path, wanted: Wanted) -> Rows:
    """A .parquet file. What is carried keeps its type. A text that is not UTF-8 is a row's fault.

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
        raw_types = _raw_types(file.schema_arrow)
        for table in parts(map(_readable, batches_of(file, wanted.columns)), str(path)):
            raw = [f.name for f in table.schema if f.type == raw_types.get(f.name)]
            for values in zip(*map(python_of, table.columns), strict=True):
                number += 1
                record = dict(zip(table.column_names, values, strict=True))
                fault = _decode(record, raw)
                yield row_of(f"{path}, row {number}", record, wanted, fault)


def _raw_types(schema: "pa.Schema") -> "Mapping[str, pa.DataType]":
    """Of each column of texts the type that it has as bytes."""
    kinds = {field.name: _plain(field.type) for field in schema}
    return {name: raw for name, kind in kinds.items() if (raw := _as_bytes(kind)) != kind}


def _readable(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """The batch, with bytes in place of the texts of a column in which one may not be UTF-8.

    Other damage is still in it.
    """
    import pyarrow as pa

    columns = list(batch.columns)
    for place, values in enumerate(columns):
        try:
            values.validate(full=True)
        except pa.ArrowInvalid:
            kind = _as_bytes(values.type)
            columns[place] = values if kind == values.type else values.view(kind)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _as_bytes(kind: "pa.DataType") -> "pa.DataType":
    """The same of bytes, for texts, lists of them, and dictionaries of either; else itself."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _as_bytes(kind.value_type), kind.ordered)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_as_bytes(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_as_bytes(kind.value_type)), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_as_bytes(kind.value_type)))
    return {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(kind, kind)


def _decode(record: dict[str, Any], raw: Collection[str]) -> BertspecError | None:
    """Make texts of bytes in columns of a record. Of those that are none, which it has no more, the
    first is its fault (E302).
    """
    fault = None
    for column in raw:
        try:
            record[column] = _text(record[column])
        except UnicodeDecodeError as error:
            del record[column]
            fault = fault or not_utf8(f"column `{column}`, {error}")
    return fault


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value
