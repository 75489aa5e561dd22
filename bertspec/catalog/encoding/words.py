"""Where a column of text may be cut so that the pieces, encoded alone, give the same token ids.

All is done on the bytes of the column: no byte of a character beyond ASCII is an ASCII byte.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

SPACE, TAB, NEWLINE, RETURN = b" \t\n\r"
DELETE = 0x7F
BEYOND_ASCII = 0x80

# The last two bytes of White_Space beyond ASCII, with U+180E and U+200B, which it had once: C2 85,
# C2 A0, [E1] 9A 80, [E1] A0 8E, [E2] 80 80..8B, [E2] 80 A8, 80 A9, 80 AF, [E2] 81 9F, [E3] 80 80.
# Other characters have such bytes too: there is no cut after them then, which is no harm.
BEFORE_LAST = np.zeros(256, bool)
BEFORE_LAST[[0xC2, 0x9A, 0xA0, 0x80, 0x81]] = True
LAST = np.zeros(256, bool)
LAST[[0x85, 0xA0, *range(0x80, 0x8C), 0x8E, 0xA8, 0xA9, 0xAF, 0x9F]] = True


@dataclass(frozen=True)
class Text:
    """A column as UTF-8: row i is `data[rows[i] : rows[i + 1]]`."""

    data: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, column: pa.Array | pa.ChunkedArray) -> "Text":
        if isinstance(column, pa.ChunkedArray) and column.num_chunks == 1:
            column = column.chunk(0)
        if isinstance(column, pa.ChunkedArray) or not pa.types.is_string(column.type):
            column = column.cast(pa.large_string())
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        _, offsets, data = column.buffers()
        if len(column) == 0 or data is None:
            return cls(np.zeros(0, np.uint8), np.zeros(len(column) + 1, np.int64))
        kind = np.int32 if pa.types.is_string(column.type) else np.int64
        rows = np.frombuffer(offsets, kind)[column.offset : column.offset + len(column) + 1]
        first, last = rows[[0, -1]].tolist()
        return cls(np.frombuffer(data, np.uint8)[first:last], rows.astype(np.int64) - first)


@dataclass(frozen=True)
class Words:
    """The pieces of all rows: those of row i are `pieces[rows[i] : rows[i + 1]]`."""

    pieces: pa.LargeStringArray
    rows: np.ndarray


Cut = Callable[[Text], Words]


def without_whitespace(text: Text) -> Words:
    """The runs of what is neither space, tab nor line end. Other whitespace stays in them."""
    data, rows = text.data, text.rows
    kept = (data != SPACE) & (data != TAB) & (data != NEWLINE) & (data != RETURN)
    inner = rows[(rows > 0) & (rows < len(data))]
    first, last = kept.copy(), kept.copy()
    first[1:] &= ~kept[:-1]
    first[inner] = kept[inner]
    last[:-1] &= ~kept[1:]
    last[inner - 1] = kept[inner - 1]
    starts = np.flatnonzero(first)
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(np.flatnonzero(last) + 1 - starts, out=offsets[1:])
    return Words(_strings(offsets, data[kept]), np.searchsorted(starts, rows))


def before_spaces(text: Text) -> Words:
    """Cuts before each space that follows a character which is no whitespace."""
    data, rows = text.data, text.rows
    edges = np.zeros(len(data) + 1, bool)
    edges[rows] = True
    spaces = np.flatnonzero(data == SPACE)
    spaces = spaces[~edges[spaces]]
    before = data[spaces - 1]
    # Before the last byte of a character beyond ASCII there is another one of it.
    wide = (before >= BEYOND_ASCII) & LAST[before] & BEFORE_LAST[data[spaces - 2]]
    edges[spaces[(before > SPACE) & (before != DELETE) & ~wide]] = True
    starts = np.flatnonzero(edges[:-1])
    offsets = np.append(starts, len(data))
    return Words(_strings(offsets, data), np.searchsorted(starts, rows))


def _strings(offsets: np.ndarray, data: np.ndarray) -> pa.LargeStringArray:
    data = np.ascontiguousarray(data)
    return pa.LargeStringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)
    )
