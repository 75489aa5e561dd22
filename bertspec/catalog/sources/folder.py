"""A folder for each label, with a file for each text in it."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.file_source import without_mark
from bertspec.catalog.files.cutting import Chunk
from bertspec.catalog.files.opening import UTF8, Encoding, decode, read_blocks
from bertspec.catalog.source import SPLITS, FilePath, Piece, Source, SplitName
from bertspec.catalog.sources.text import at_most
from bertspec.core.digest import digest
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

TARGET = 512
"""Files in a piece, about."""

_BITS = 64


class Folder(Source):
    """Folders of labels, as IMDB's: `train/neg/0_3.txt`. Columns: text, label and name."""

    type: Literal["folder"] = Field(description="A folder for each label, a file for each text.")
    folders: dict[SplitName, FilePath] = Field(
        min_length=1,
        description="The folder of each split; the folders in it are the labels. "
        "Give only `train` when `split` divides it.",
    )
    pattern: Annotated[str, StringConstraints(min_length=1)] = Field(
        default="**/*.txt",
        description="Files of a label that are taken. Hidden ones are not, and `.gz`, `.bz2`, "
        "`.xz` and `.zst` are unpacked.",
    )
    encoding: Encoding = Field(
        default=UTF8,
        description="Encoding of the files, such as `latin-1`. A byte-order mark is left out.",
    )

    def dependencies(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.folders.values())))

    def given_splits(self) -> tuple[SplitName, ...]:
        return tuple(s for s in SPLITS if s in self.folders)

    def read(self, root: Path) -> Iterator[tuple[SplitName, Piece]]:
        for split in self.given_splits():
            folder = self.folders[split]
            for names in _groups(self._names(root / folder, folder)):
                yield split, self._piece(root / folder, folder, names)

    def _names(self, path: Path, folder: str) -> Sequence[str]:
        """Files of all labels, relative to the folder, in the order of their names."""
        if not path.is_dir():
            raise InputError.of("E301", f"there is no folder {folder}", "check `folders`")
        names = sorted(
            file.relative_to(path).as_posix()
            for label in path.iterdir()
            if label.is_dir() and not label.name.startswith(".")
            for file in label.glob(self.pattern)
            if file.is_file()
        )
        names = [n for n in names if not any(part.startswith(".") for part in n.split("/"))]
        if not names:
            raise InputError.of(
                "E301",
                f"{folder} has no folder with a file `{self.pattern}` in it",
                "a label is a folder, and each file in it a text",
            )
        return names

    def _piece(self, path: Path, folder: str, names: Sequence[str]) -> Piece:
        contents = [
            b"".join(at_most(read_blocks(path / n, f"{folder}/{n}", self.encoding), n))
            for n in names
        ]
        files = [(n, hashlib.sha256(c).hexdigest()) for n, c in zip(names, contents, strict=True)]
        return Piece(folder, digest(files), partial(_table, folder, names, contents))


def _groups(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Consecutive names; where a group ends depends on its last name alone."""
    start = 0
    for index, name in enumerate(names, start=1):
        point = int.from_bytes(hashlib.sha256(name.encode()).digest()[: _BITS // 8], "big")
        if point < 2**_BITS // TARGET or index == len(names) or index - start == 8 * TARGET:
            yield names[start:index]
            start = index


def _table(folder: str, names: Sequence[str], contents: Sequence[bytes], _first: int) -> "pa.Table":
    import pyarrow as pa

    texts = []
    for name, content in zip(names, contents, strict=True):
        chunk = without_mark(Chunk(content, 0, 1))
        texts.append(decode(chunk.data, f"{folder}/{name}", chunk.offset, 1))
    labels = [name.split("/", 1)[0] for name in names]
    columns = {"text": texts, "label": labels, "name": names}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
