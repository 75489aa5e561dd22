"""Files that are an example each, some hundreds of them in a piece."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertspec.catalog.file_source import without_mark
from bertspec.catalog.files.cutting import Chunk
from bertspec.catalog.files.opening import decode, read_blocks
from bertspec.core.digest import digest
from bertspec.core.errors import InputError

LONGEST_FILE = 1 << 26
"""Bytes of a file."""

TARGET = 512
"""Files in a piece, about."""

MOST_BYTES = 1 << 23
"""A piece of more bytes ends where it is."""

_BITS = 64


@dataclass(frozen=True)
class WholeFile:
    """A file's name in the project, and its content as UTF-8."""

    name: str
    content: bytes

    def text(self) -> str:
        """Raises InputError (E302) for a byte that is not UTF-8."""
        chunk = without_mark(Chunk(self.content, 0, 1))
        return decode(chunk.data, self.name, chunk.offset, 1)


def read_whole(path: Path, name: str, encoding: str) -> WholeFile:
    """Raises InputError: E316 for a file that is too long, E334 for a name that is no text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError.of(
            "E334", f"the name of file {name!r} is not UTF-8", "rename it"
        ) from None
    return WholeFile(name, b"".join(_at_most(read_blocks(path, name, encoding), name)))


def _at_most(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    length = 0
    for block in blocks:
        length += len(block)
        if length > LONGEST_FILE:
            raise InputError.of(
                "E316",
                f"{name}: an example of more than {LONGEST_FILE >> 20} MiB",
                "take it by `type: text` with `record: paragraph` or `record: line`",
            )
        yield block


def groups(files: Iterable[WholeFile]) -> Iterator[Sequence[WholeFile]]:
    """Consecutive files of a piece. Where it ends is what its last name says, while it is small."""
    group: list[WholeFile] = []
    size = 0
    for file in files:
        group.append(file)
        size += len(file.content)
        point = int.from_bytes(hashlib.sha256(file.name.encode()).digest()[: _BITS // 8], "big")
        if point < 2**_BITS // TARGET or len(group) == 8 * TARGET or size > MOST_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def key_of(files: Sequence[WholeFile]) -> str:
    """A digest of names and contents."""
    return digest([(file.name, hashlib.sha256(file.content).hexdigest()) for file in files])
