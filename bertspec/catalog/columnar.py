"""Batches of columnar files: checked before anything is done with them, and in small parts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bertspec.catalog.source import Piece
from bertspec.catalog.tables import decoded, pieces_of
from bertspec.core.errors import InputError, reason

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PART = 1 << 22
"""Bytes of a batch that are taken at once, about."""


@contextmanager
def reading(name: str, kind: str) -> Iterator[None]:
    """Raise InputError (E331) for a file that Arrow cannot read."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the machine's
            raise
        raise InputError.of(
            "E331", f"{name} is not {kind} that can be read: {reason(error)}", "write it again"
        ) from None


def pieces_of_batches(
    batches: Iterable["pa.RecordBatch"], schema: "pa.Schema", name: str
) -> Iterator[Piece]:
    """Batches of a file as pieces. Columns keep their types; dictionaries are decoded.

    Raises InputError: E304 for columns of one name, E331 for damaged values, E332 for types that
    cannot be kept.
    """
    _check_columns(schema, name)
    return pieces_of(parts(batches, name), name)


def parts(batches: Iterable["pa.RecordBatch"], name: str) -> Iterator["pa.Table"]:
    """The same rows, about PART bytes at a time: values checked (E331), dictionaries decoded."""
    import pyarrow as pa

    first = 1
    for batch in batches:
        _check_values(batch, name, first)
        start = 0
        for end in _ends(batch):
            yield decoded(pa.Table.from_batches([batch.slice(start, end - start)]))
            start = end
        first += batch.num_rows


def _ends(batch: "pa.RecordBatch") -> Iterator[int]:
    """Numbers of rows behind which it is cut, so that each part has about PART bytes decoded."""
    import numpy as np
    import pyarrow as pa

    if not batch.num_rows:
        return
    sizes = np.full(batch.num_rows, batch.nbytes / batch.num_rows)
    for values in batch.columns:
        if pa.types.is_dictionary(values.type):
            sizes += _lengths(values)
    parts_before = np.cumsum(sizes) // PART
    yield from (np.flatnonzero(np.diff(parts_before)) + 1).tolist()
    yield batch.num_rows


def _lengths(values: "pa.DictionaryArray") -> "np.ndarray":
    """Bytes of each value, of texts; of other types, about."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type.value_type
    texts = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    if kind in texts:
        lengths = pc.binary_length(values.dictionary)
    else:
        mean = values.dictionary.nbytes // max(len(values.dictionary), 1)
        lengths = pa.repeat(pa.scalar(mean, pa.int64()), len(values.dictionary))
    return lengths.take(values.indices).fill_null(0).to_numpy(zero_copy_only=False)


def _check_columns(schema: "pa.Schema", name: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    if repeated := sorted({c for c in schema.names if schema.names.count(c) > 1}):
        raise InputError.of("E304", f"{name} has two columns `{repeated[0]}`", "rename one of them")
    if not schema.names:
        raise InputError.of("E331", f"{name} has no columns", "write it again")
    for field in schema:
        try:  # the raw rows are Parquet, which lacks some of Arrow's types
            parquet.ParquetWriter(
                pa.BufferOutputStream(), pa.schema([_plain(field)]), store_schema=False
            ).close()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            raise InputError.of(
                "E332",
                f"{name}: column `{field.name}` holds {field.type}, which cannot be kept",
                "write it as text, or leave the column out of the file",
            ) from None


def _plain(field: "pa.Field") -> "pa.Field":
    import pyarrow as pa

    is_coded = pa.types.is_dictionary(field.type)
    return field.with_type(field.type.value_type) if is_coded else field


def _check_values(batch: "pa.RecordBatch", name: str, first: int) -> None:
    """A damaged file can hold lengths that lead out of it, and text that is not UTF-8."""
    import pyarrow as pa

    for column, values in zip(batch.schema.names, batch.columns, strict=True):
        try:
            values.validate(full=True)
        except pa.ArrowInvalid as error:
            raise InputError.of(
                "E331",
                f"{name}, rows {first} to {first + batch.num_rows - 1}: column `{column}` is "
                f"damaged: {reason(error)}",
                "write it again; text must be UTF-8",
            ) from None
