"""A folder for each label, with a file for each text in it."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.opening import UTF8, Encoding
from bertspec.catalog.files.patterns import refuse_linked
from bertspec.catalog.files.whole import WholeFile, groups, key_of, read_whole
from bertspec.catalog.source import SPLITS, FilePath, Piece, Source, SplitName
from bertspec.core.errors import InputError, at_field

if TYPE_CHECKING:
    import pyarrow as pa


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

    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        for split in self.given_splits():
            folder = self.folders[split]
            with at_field("folders", split):
                names = self._names(root, folder)
                files = (read_whole(root / name, name, self.encoding) for name in names)
                for group in groups(files):
                    yield split, Piece(folder, key_of(group), partial(_table, folder, group))

    def _names(self, root: Path, folder: str) -> Sequence[str]:
        """Files of all labels, label by label, in the order of their names."""
        path = root / folder
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
            names += sorted(f"{folder}/{name}" for name in found)
        if not names:
            raise InputError.of(
                "E333",
                f"{folder} has no folders in it",
                "a label is a folder, and each file in it a text",
            )
        refuse_linked(root, folder, names)
        return names


def _table(folder: str, files: Sequence[WholeFile], _first: int) -> "pa.Table":
    import pyarrow as pa

    names = [file.name.removeprefix(f"{folder}/") for file in files]
    columns = {
        "text": [file.text() for file in files],
        "label": [name.split("/", 1)[0] for name in names],
        "name": names,
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
