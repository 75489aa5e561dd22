"""JSON: a list of objects, at the top of the file or below a field of it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.cutting import Chunk, cut
from bertspec.catalog.files.json_text import JsonText
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.opening import UTF8, Encoding, read_blocks
from bertspec.catalog.files.records import line_ends
from bertspec.catalog.json_rows import object_of, table_of
from bertspec.catalog.source import Piece
from bertspec.core.digest import digest
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_KEYS = 20
"""Keys of an object that are kept for a message."""


class Json(FileSource):
    """JSON files with a list of objects, read an object at a time; their keys are the columns.

    All is as in `jsonl`: what is no text becomes its JSON, and of equal keys the last one counts.
    """

    type: Literal["json"] = Field(description="A JSON file with a list of objects.")
    field: Annotated[str, StringConstraints(pattern=r"^[^.]+(\.[^.]+)*$")] | None = Field(
        default=None,
        description="Where the list is: keys with a dot between them, such as `data.rows`. "
        "By default it is the whole file.",
    )
    encoding: Encoding = Field(
        default=UTF8,
        description="Encoding of the files, such as `latin-1`. A byte-order mark is left out.",
    )

    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        # With an object a line, where it is cut depends on the objects alone, as in `jsonl`.
        for chunk in cut(self._lines(path, name), line_ends, name):
            if chunk.data:
                key = digest(["json", hashlib.sha256(chunk.data).hexdigest()])
                yield Piece(name, key, partial(_read, chunk, name))

    def _lines(self, path: Path, name: str) -> Iterator[bytes]:
        text = JsonText(read_blocks(path, name, self.encoding), name)
        keys = self.field.split(".") if self.field else []
        empty = True
        for line in self._objects(text, keys, 0, name):
            empty = False
            yield f"{line}\n".encode()
        if text.peek():
            raise text.fault("there is more behind its end")
        if empty:
            raise InputError.of(
                "E330",
                f"{name}: {_place(keys)} is a list without objects",
                "check `field`, and the file",
            )

    def _objects(self, text: JsonText, keys: Sequence[str], at: int, name: str) -> Iterator[str]:
        """Each item of the list to which `keys` lead, of which the first `at` led here."""
        if at == len(keys):
            yield from _items(text, f"{name}: {_place(keys)}", name)
            return
        place = f"{name}: {_place(keys[:at])}"
        if text.peek() not in ("{", ""):
            raise InputError.of(
                "E330", f"{place} is not an object with `{keys[at]}`", "check `field`, and the file"
            )
        others: list[str] = []
        found = False
        for key in text.members():
            if key != keys[at]:
                others += [key] if len(others) < _MOST_KEYS else []
                text.skip()
                continue
            if found:
                raise InputError.of("E330", f"{place} has `{key}` twice", "rename one of them")
            found = True
            yield from self._objects(text, keys, at + 1, name)
        if not found:
            raise InputError.of(
                "E330",
                f"{place} has no key `{keys[at]}`",
                did_you_mean(keys[at], others) if others else "check `field`, and the file",
            )


def _items(text: JsonText, place: str, name: str) -> Iterator[str]:
    sign = text.peek()
    if sign == "{":
        raise InputError.of(
            "E330",
            f"{place} is an object, and not a list",
            f"say with `field` where the list is{_some(text)}; for an object a line there is "
            "`type: jsonl`",
        )
    if sign not in ("[", ""):
        raise InputError.of("E330", f"{place} is not a list", "check `field`, and the file")
    for number, begin in enumerate(text.items(), start=1):
        if begin not in ("{", ""):
            raise InputError.of(
                "E305", f"{name}, record {number}: not an object", 'write `{"text": ...}`'
            )
        yield text.value()


def _place(keys: Sequence[str]) -> str:
    return f"`{'.'.join(keys)}`" if keys else "the whole file"


def _some(text: JsonText) -> str:
    """The first keys of the object that comes next, for a message."""
    keys = []
    for key in text.members():
        keys.append(f"`{key}`")
        if len(keys) == _MOST_KEYS:
            break
        text.skip()
    return f" (its keys: {', '.join(keys)})" if keys else ""


def _read(chunk: Chunk, name: str, first: int) -> "pa.Table":
    lines = chunk.data.decode("utf-8").split("\n")
    rows = (json.loads(line) for line in lines if line)
    try:
        return table_of(
            [object_of(row, f"{name}, record {first + n}") for n, row in enumerate(rows)]
        )
    except RecursionError:
        raise InputError.of(
            "E305", f"{name}: lists and objects nest too deep", "make them flat"
        ) from None
