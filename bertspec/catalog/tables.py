"""Sources that give whole tables: cut where their rows say so."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from bertspec.catalog.files.cutting import SIZES, Sizes, cuts
from bertspec.catalog.source import Piece

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def pieces_of(tables: Iterable["pa.Table"], file: str, sizes: Sizes = SIZES) -> Iterator[Piece]:
    """Consecutive tables of one file, of any sizes and equal columns, as pieces of about a shard.

    Where they are cut depends on the rows alone, and not on the sizes of the tables.
    """
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for table, final in _with_last(tables):
        if table is not None:
            waiting.append(table)
        if not waiting or not (final or sum(t.nbytes for t in waiting) > 4 * sizes.most):
            continue
        # A column that some tables lack is null in their rows.
        rest = pa.concat_tables(waiting, promote_options="default")
        start = 0
        for end in _ends(rest, sizes, final=final):
            yield _piece(rest.slice(start, end - start), file)
            start = end
        waiting = [rest.slice(start)]


def _with_last(tables: Iterable["pa.Table"]) -> Iterator[tuple["pa.Table | None", bool]]:
    for table in tables:
        yield table, False
    yield None, True


def decoded(table: "pa.Table") -> "pa.Table":
    """The table with the values of columns that a dictionary stands for."""
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            values = table.column(index).cast(field.type.value_type)
            table = table.set_column(index, field.name, values)
    return table


def _piece(table: "pa.Table", file: str) -> Piece:
    return Piece(file, None, partial(_given, table))


def _given(table: "pa.Table", _first: int) -> "pa.Table":
    return table


def _ends(table: "pa.Table", sizes: Sizes, *, final: bool) -> Iterator[int]:
    """Numbers of rows behind which the table is cut, as far as that is certain."""
    import numpy as np

    data, ends = _as_bytes(table)
    for end, _ in cuts(data, ends, sizes, final=final):
        yield int(np.searchsorted(ends, end)) + 1


def row_bytes(table: "pa.Table") -> Iterator[bytes]:
    """Bytes that stand for each row: equal for equal rows."""
    data, ends = _as_bytes(table)
    content, start = data.tobytes(), 0
    for end in ends.tolist():
        yield content[start:end]
        start = end


def _as_bytes(table: "pa.Table") -> tuple["np.ndarray", "np.ndarray"]:
    """Bytes that stand for the rows, and where each row ends in them."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute as pc

    texts = [
        pc.binary_join_element_wise(f"{name}=", _as_text(table[name]), "")
        for name in table.column_names
    ]
    # Without nulls, so that a column which only other tables have makes no difference.
    joined = pc.binary_join_element_wise(*texts, "\x1f", null_handling="skip")
    rows = pc.binary_join_element_wise(joined, "", "\n").cast(pa.large_string())
    rows = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    _, offsets, data = rows.buffers()
    ends = np.frombuffer(offsets, np.int64)[rows.offset : rows.offset + len(rows) + 1]
    whole = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
    return whole[ends[0] : ends[-1]], ends[1:] - ends[0]


def _as_text(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # lists, structs, bytes
        return pa.chunked_array([[str(value) for value in column.to_pylist()]], pa.string())
