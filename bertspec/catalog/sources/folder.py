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

MOST_BYTES = 1 << 23
"""A piece of more bytes ends where it is."""

_BITS = 64


class Folder(Source):
    """Folders of labels, as IMDB's: `train/neg/0_3.txt`. Columns: text, label and name."""

    type: Literal["folder"] = Field(description="A folder for each label, a file for each text.")
    folders: dict[SplitName, FilePath] = Field(
        min_length=1,
        description="The folder of each split; the folders in it are the labels. "
        "Give only `train` when `split` divides it.",
    )
    pattern: Annotated[str, StringConstraints(pattern=r"^[^/]")] = Field(
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
            files: list[tuple[str, bytes]] = []
            for name in self._names(root / folder, folder):
                files.append((name, self._content(root / folder / name, f"{folder}/{name}")))
                if _ends_piece(files):
                    yield split, _piece(folder, files)
                    files = []
            if files:
                yield split, _piece(folder, files)

    def _names(self, path: Path, folder: str) -> Sequence[str]:
        """Files of all labels, relative to the folder, in the order of their names."""
        if not path.is_dir():
            raise InputError.of("E301", f"there is no folder {folder}", "check `folders`")
        names: list[str] = []
        for label in sorted(path.iterdir()):
            if not label.is_dir() or label.name.startswith("."):
                continue
            found = [
                file.relative_to(path).as_posix()
                for file in label.glob(self.pattern)
                if file.is_file()
            ]
            found = [n for n in found if not any(part.startswith(".") for part in n.split("/"))]
            if not found:
                raise InputError.of(
                    "E333",
                    f"{folder}/{label.name} has no file `{self.pattern}` in it",
                    "each folder here is a label: fill it, move it away, or correct `pattern`",
                )
            names += sorted(found)
        if not names:
            raise InputError.of(
                "E333",
                f"{folder} has no folders in it",
                "a label is a folder, and each file in it a text",
            )
        return names

    def _content(self, path: Path, name: str) -> bytes:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InputError.of(
                "E334", f"the name of file {name!r} is not UTF-8", "rename it"
            ) from None
        return b"".join(at_most(read_blocks(path, name, self.encoding), name))


def _ends_piece(files: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a piece ends behind these files: what its last name says, as long as it is small."""
    name = files[-1][0]
    point = int.from_bytes(hashlib.sha256(name.encode()).digest()[: _BITS // 8], "big")
    return (
        point < 2**_BITS // TARGET
        or len(files) == 8 * TARGET
        or sum(len(content) for _, content in files) > MOST_BYTES
    )


def _piece(folder: str, files: Sequence[tuple[str, bytes]]) -> Piece:
    names = [name for name, _ in files]
    contents = [content for _, content in files]
    key = digest([(name, hashlib.sha256(content).hexdigest()) for name, content in files])
    return Piece(folder, key, partial(_table, folder, names, contents))


def _table(folder: str, names: Sequence[str], contents: Sequence[bytes], _first: int) -> "pa.Table":
    import pyarrow as pa

    texts = []
    for name, content in zip(names, contents, strict=True):
        chunk = without_mark(Chunk(content, 0, 1))
        texts.append(decode(chunk.data, f"{folder}/{name}", chunk.offset, 1))
    labels = [name.split("/", 1)[0] for name in names]
    columns = {"text": texts, "label": labels, "name": names}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
