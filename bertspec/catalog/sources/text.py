"""Plain text: an example a line, a paragraph, or a file."""

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.file_source import Place, TextSource, without_mark
from bertspec.catalog.files.cutting import Chunk, Ends
from bertspec.catalog.files.opening import decode, read_blocks
from bertspec.catalog.files.records import blank_line_ends, line_ends
from bertspec.catalog.source import Piece
from bertspec.core.digest import digest
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_FILE = 1 << 26
"""Bytes of a file that is one example."""

_BLANK_LINES = re.compile(r"\r?\n(?:[ \t\r]*(?:\n|\Z))+")


class Text(TextSource):
    """Text files; the column is `text`. Blank lines are no examples, and are not counted."""

    type: Literal["text"] = Field(description="Plain text.")
    record: Literal["line", "paragraph", "file"] = Field(
        default="line",
        description="What is an example: a `line`; a `paragraph`, which ends at a blank line and "
        "keeps its line breaks; or a whole `file`, which also gives the column `name`.",
    )

    ends: ClassVar[Ends] = staticmethod(line_ends)

    def read_file(self, path: Path, name: str) -> Iterator[Piece]:
        if self.record == "file":
            yield self._whole_file(path, name)
            return
        ends = line_ends if self.record == "line" else blank_line_ends
        yield from self.pieces(path, name, ends)

    def parse(self, text: str, place: Place, header: str | None) -> "pa.Table":
        import pyarrow as pa

        if self.record == "line":
            parts = [line.removesuffix("\r") for line in text.split("\n")]
        else:
            parts = [part.strip("\r\n") for part in _BLANK_LINES.split(f"\n{text}")]
        return pa.table({"text": pa.array([p for p in parts if p.strip(" \t\r\n")], pa.string())})

    def _whole_file(self, path: Path, name: str) -> Piece:
        content = b"".join(at_most(read_blocks(path, name, self.encoding), name))
        key = digest([self._options(), name, hashlib.sha256(content).hexdigest()])
        return Piece(name, key, partial(_of_file, content, name))


def at_most(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The blocks. Raises InputError (E316) when they are longer than an example may be."""
    length = 0
    for block in blocks:
        length += len(block)
        if length > LONGEST_FILE:
            raise InputError.of(
                "E316",
                f"{name}: an example of more than {LONGEST_FILE >> 20} MiB",
                "take it by `record: paragraph` or `record: line`",
            )
        yield block


def _of_file(content: bytes, name: str, _first: int) -> "pa.Table":
    import pyarrow as pa

    chunk = without_mark(Chunk(content, 0, 1))
    text = decode(chunk.data, name, chunk.offset, 1)
    return pa.table({"text": pa.array([text]), "name": pa.array([name])})
