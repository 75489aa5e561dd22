"""Plain text: an example a line, a paragraph, or a file."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.file_source import Place, TextSource
from bertspec.catalog.files.cutting import Ends
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.records import blank_line_ends, line_ends
from bertspec.catalog.files.whole import WholeFile, groups, key_of, read_whole
from bertspec.catalog.source import Piece, SplitName
from bertspec.core.errors import at_field

if TYPE_CHECKING:
    import pyarrow as pa

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

    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        if self.record != "file":
            yield from super().read(root, known)
            return
        for split in self.given_splits():
            with at_field("files", split):
                names = self.names(root, split)
                files = (read_whole(root / name, name, self.encoding) for name in names)
                for group in groups(files):
                    where = group[0].name if len(group) == 1 else f"files from {group[0].name}"
                    yield split, Piece(where, key_of(group), partial(_of_files, group))

    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        ends = line_ends if self.record == "line" else blank_line_ends
        yield from self.pieces(path, name, ends, known)

    def parse(self, text: str, place: Place, header: str | None) -> "pa.Table":
        import pyarrow as pa

        if self.record == "line":
            parts = [line.removesuffix("\r") for line in text.split("\n")]
        else:
            parts = [part.strip("\r\n") for part in _BLANK_LINES.split(f"\n{text}")]
        return pa.table({"text": pa.array([p for p in parts if p.strip(" \t\r\n")], pa.string())})


def _of_files(files: Sequence[WholeFile], _first: int) -> "pa.Table":
    import pyarrow as pa

    columns = {"text": [file.text() for file in files], "name": [file.name for file in files]}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
