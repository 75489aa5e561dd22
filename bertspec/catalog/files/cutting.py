"""Cut a stream of records where its content says so, so that an edit moves no cut far away.

Content-defined chunking (LBFS, Muthitacharoen et al., 2001), between records: whether there is a
cut after a record is a function of its length and of eight bytes each at its beginning, its end
and two places between, so equal stretches of two files are cut alike wherever they are.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertspec.catalog.files.known_cuts import KnownChunk, KnownCuts
from bertspec.core.errors import BertspecError, InputError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Sizes:
    """Sizes of chunks, in bytes."""

    target: int = 1 << 20
    """About the mean. A power of two."""
    longest_record: int = 1 << 26

    @property
    def least(self) -> int:
        return self.target // 4

    @property
    def most(self) -> int:
        """A chunk is longer only when a single record is."""
        return self.target * 8


SIZES = Sizes()
WINDOW = 8
"""Bytes that are looked at together."""

Ends = Callable[["np.ndarray"], "np.ndarray"]
"""Bytes (uint8) that begin with a record -> where complete records end in them, ascending."""


@dataclass(frozen=True)
class Chunk:
    """Some whole records, one after another."""

    view: bytes | memoryview
    """The records. Those of a known chunk are seldom needed, so they are no copy."""
    offset: int
    """Of its first byte in the stream."""
    line: int
    """Number of its first line, from 1."""
    sha256: str | None = None
    """Of the records, where it is known."""

    @property
    def data(self) -> bytes:
        return bytes(self.view)


def cut(
    blocks: Iterable[bytes],
    ends: Ends,
    name: str,
    sizes: Sizes = SIZES,
    known: KnownCuts | None = None,
) -> Iterator[Chunk]:
    """The stream as chunks, independent of how it is divided into blocks, and of what is `known`.

    An empty stream is one empty chunk. Raises InputError (E316) for a record longer than
    `sizes.longest_record`.
    """
    source = iter(blocks)
    known = known or KnownCuts()
    longest = max(sizes.longest_record, sizes.most)
    rest, offset, line, final = b"", 0, 1, False
    size = 2 * sizes.most
    while not final:
        rest, final = _filled(rest, source, size)
        start = 0
        view = memoryview(rest)
        for found in _chunks(view, ends, sizes, known, final=final):
            if found.length > longest:  # so it is a single record
                raise _too_long(name, line, longest)
            end = start + found.length
            yield Chunk(view[start:end], offset, line, found.sha256)
            offset, line, start = offset + found.length, line + found.lines, end
        if not start and not final:  # not even one record ends in it
            if len(rest) > longest:
                raise _too_long(name, line, longest)
            size = min(2 * size, longest + 1)
        else:
            rest, size = rest[start:], 2 * sizes.most
    if not offset:
        yield Chunk(b"", 0, 1)


def _too_long(name: str, line: int, longest: int) -> BertspecError:
    return InputError.of(
        "E316",
        f"{name}, line {line}: a record of more than {longest >> 20} MiB",
        "is the file of this type, with a line break behind each record and every quote closed?",
    )


def _filled(rest: bytes, source: Iterator[bytes], size: int) -> tuple[bytes, bool]:
    """`rest` and what follows it, at least `size` bytes; and whether that is all."""
    parts, length = [rest], len(rest)
    while length < size:
        block = next(source, None)
        if block is None:
            return b"".join(parts), True
        parts.append(block)
        length += len(block)
    return b"".join(parts), False


def _chunks(
    data: memoryview, ends: Ends, sizes: Sizes, known: KnownCuts, *, final: bool
) -> Iterator[KnownChunk]:
    """The chunks that the bytes begin with, as far as they are certain."""
    start = 0
    searched: Iterator[tuple[int, bool]] | None = None
    while start < len(data):
        for found in known.following(data[start:]):
            known.keep(data[start:], found)
            yield found
            start += found.length
            searched = None  # it stands before this chunk
        if searched is None:
            searched = _search(data[start:], start, ends, sizes, final=final)
        end, asked = next(searched, (start, False))
        if end == start:
            return
        found = _described(data[start:end])
        if asked:
            known.keep(data[start:], found)
        yield found
        start = end


def _search(
    data: memoryview, start: int, ends: Ends, sizes: Sizes, *, final: bool
) -> Iterator[tuple[int, bool]]:
    """`cuts` of bytes that begin at `start` of others, counted from the beginning of those."""
    import numpy as np

    array = np.frombuffer(data, np.uint8)
    found = ends(array)
    if final and not (len(found) and found[-1] == len(data)):
        found = np.append(found, len(data))  # the last record needs no end
    for end, asked in cuts(array, found, sizes, final=final):
        yield start + end, asked


def _described(data: memoryview) -> KnownChunk:
    chunk = data.tobytes()
    return KnownChunk(len(chunk), chunk.count(b"\n"), hashlib.sha256(chunk).hexdigest())


def cuts(
    data: "np.ndarray", ends: "np.ndarray", sizes: Sizes, *, final: bool
) -> Iterator[tuple[int, bool]]:
    """Where chunks end in bytes whose records end at `ends`, as far as that is certain.

    Beside each, whether the chunk's own bytes asked for it, whatever follows them. With `final`,
    nothing follows the bytes, and all of them are in a chunk.
    """
    import numpy as np

    wanted = ends[_wants_cut(data, ends, sizes)]
    start = 0
    while start < len(data):
        place = np.searchsorted(wanted, start + sizes.least)
        asked = bool(place < len(wanted) and wanted[place] <= start + sizes.most)
        if asked:
            end = int(wanted[place])
        elif len(data) - start > sizes.most:
            last = int(np.searchsorted(ends, start + sizes.most, "right")) - 1
            if last < 0 or ends[last] <= start:  # one record is longer
                last += 1
            if last >= len(ends):
                return
            end = int(ends[last])
        elif final:
            end = len(data)
        else:
            return
        yield end, asked
        start = end


def _wants_cut(data: "np.ndarray", ends: "np.ndarray", sizes: Sizes) -> "np.ndarray":
    """For each record, whether its last bytes ask for a cut behind it.

    The chance is the record's length over the target, so that chunks of short records and of long
    ones are about equally long.
    """
    import numpy as np

    lengths = np.minimum(np.diff(ends, prepend=0), sizes.target - 1).astype(np.uint64)
    if len(data) < WINDOW:
        return np.zeros(len(ends), bool)
    # The first records may have fewer bytes before them, and are too near to the start for a cut.
    last = np.maximum(ends - WINDOW, 0)
    starts = np.concatenate([[0], ends[:-1]])
    windows = np.lib.stride_tricks.sliding_window_view(data, WINDOW)
    mixed = np.zeros(len(ends), np.uint64)
    # Records often begin and end alike, with a number or a label.
    first = np.minimum(starts, last)
    step = (last - first) // 3
    for places in (first, first + step, last - step, last):
        words = windows[places].view("<u8")[:, 0]
        mixed = (mixed ^ words) * np.uint64(0x9E3779B97F4A7C15)  # as in xorshift generators
        mixed ^= mixed >> np.uint64(29)
    scale = np.uint64((1 << 64) // sizes.target)
    return mixed < lengths * scale
