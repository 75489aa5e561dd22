"""Sources of local files: which files, and the records of those that are text."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, Tag

from bertspec.catalog.files.cutting import Chunk, Ends, cut
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.opening import BOM, UTF8, Encoding, ahead, decode, read_blocks
from bertspec.catalog.files.patterns import fixed_part, matching
from bertspec.catalog.source import SPLITS, FilePath, Piece, Source, SplitName, located
from bertspec.core.digest import digest
from bertspec.core.model import either_text_or_list

if TYPE_CHECKING:
    import pyarrow as pa

if TYPE_CHECKING:
    FilePaths = str | tuple[str, ...]
else:
    FilePaths = Annotated[
        Annotated[FilePath, Tag("text")]
        | Annotated[tuple[FilePath, ...], Field(strict=False, min_length=1), Tag("list")],
        either_text_or_list(),
    ]


class FileSource(Source):
    """A source of local files, for each split one or more."""

    files: dict[SplitName, FilePaths] = Field(
        min_length=1,
        description="The file of each split, relative to the project, or a list of files. `*`, "
        "`?`, `[...]` and `**` stand for all that match, in the order of their names; `.gz`, "
        "`.bz2`, `.xz` and `.zst` are unpacked. Give only `train` when `split` divides it.",
    )

    def dependencies(self) -> tuple[str, ...]:
        return tuple(sorted({fixed_part(p) for split in self.files for p in self._patterns(split)}))

    def given_splits(self) -> tuple[SplitName, ...]:
        return tuple(s for s in SPLITS if s in self.files)

    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        for split in self.given_splits():
            yield from located(self._read_split(root, split, known), "files", split)

    def _read_split(
        self, root: Path, split: SplitName, known: KnownCuts | None
    ) -> Iterator[tuple[SplitName, Piece]]:
        for name in self.names(root, split):
            for piece in self.read_file(root / name, name, known):
                yield split, piece

    def names(self, root: Path, split: SplitName) -> Iterable[str]:
        """The files of a split, each once, however many patterns match it."""
        matches = (matching(root, pattern) for pattern in self._patterns(split))
        return dict.fromkeys(name for names in matches for name in names)

    def _patterns(self, split: SplitName) -> tuple[str, ...]:
        patterns = self.files[split]
        return (patterns,) if isinstance(patterns, str) else patterns

    @abstractmethod
    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        """The rows of one file. `name` is its path in the project, for messages."""


class TextSource(FileSource):
    """Files of text, a record after another, of which each piece is read on its own."""

    encoding: Encoding = Field(
        default=UTF8,
        description="Encoding of the files, such as `latin-1`. A byte-order mark is left out.",
        json_schema_extra={"since": 2},
    )

    ends: ClassVar[Ends]
    """Where records end."""

    @abstractmethod
    def parse(self, text: str, place: "Place", header: str | None) -> "pa.Table":
        """The rows of some whole records. Raises InputError naming file and line."""

    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        yield from self.pieces(path, name, type(self).ends, known)

    def pieces(self, path: Path, name: str, ends: Ends, known: KnownCuts | None) -> Iterator[Piece]:
        """The file in pieces of whole records, which end where `ends` says."""
        header: str | None = None
        options = self._options()
        known = (known or KnownCuts()).of(digest(options))
        blocks = ahead(read_blocks(path, name, self.encoding))
        for chunk in cut(blocks, ends, name, known=known):
            if chunk.offset == 0:
                chunk = without_mark(chunk)  # noqa: PLW2901
                header, chunk = self.split_header(chunk, name)  # noqa: PLW2901
            sha256 = chunk.sha256 or hashlib.sha256(chunk.view).hexdigest()
            key = digest([options, header, sha256])
            yield Piece(name, key, partial(self._read, chunk, name, header))

    def split_header(self, chunk: Chunk, name: str) -> tuple[str | None, Chunk]:
        """What the first records say of all others, and the chunk without them."""
        return None, chunk

    def _options(self) -> dict[str, object]:
        return self.model_dump(mode="json", exclude={"files", "encoding"})

    def _read(self, chunk: Chunk, name: str, header: str | None, first: int) -> "pa.Table":
        text = decode(chunk.data, name, chunk.offset, chunk.line)
        return self.parse(text, Place(name, chunk.line, first), header)


class Place:
    """Where in a file a text is, for messages."""

    def __init__(self, name: str, line: int, row: int) -> None:
        self.name, self.line, self.row = name, line, row

    def at_row(self, index: int) -> str:
        """Row `index` (from 0) of the text."""
        return f"{self.name}, row {self.row + index}"

    def at_line(self, index: int) -> str:
        """Line `index` (from 0) of the text."""
        return f"{self.name}, line {self.line + index}"


def without_mark(chunk: Chunk) -> Chunk:
    """The first chunk of a file without a byte-order mark."""
    if bytes(chunk.view[: len(BOM)]) != BOM:
        return chunk
    return Chunk(chunk.view[len(BOM) :], chunk.offset + len(BOM), chunk.line)
