"""The files of specs and data sets while values are adopted: which one a value goes to, and how."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.adopting.edit import value_in, with_value, without_value
from bertspec.adopting.places import Leaf, Place, equal
from bertspec.core.values import ABSENT, dotted, value_at
from bertspec.spec.document import Document, Path_, read_document, shown
from bertspec.spec.extends import DATA_SETS

BOM = "\N{BYTE ORDER MARK}"


@dataclass(frozen=True)
class Change:
    """A field of a file, and what the file says of it: ABSENT for nothing."""

    file: str
    field: str
    old: Any
    new: Any

    @property
    def is_one(self) -> bool:
        """Whether a later change has not undone it."""
        if self.old is ABSENT or self.new is ABSENT:
            return self.old is not self.new
        return not equal(self.old, self.new)


class SpecFiles:
    """Texts of files with the changes so far; nothing is written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before: dict[Path, str] = {}
        self._changes: dict[tuple[Path, Path_], Change] = {}
        self._tried: set[tuple[Path, Path_, str]] = set()
        self.texts: dict[Path, str] = {}
        """By resolved path, without a byte-order mark."""

    def change(self, document: Document, place: Place, leaf: Leaf, have: Any, wanted: Any) -> bool:
        """Let a spec give one wanted value; False where that was tried, or a file has not the key.

        `have` and `wanted` are what the place has in params.yaml, and is to have, as a whole.
        Raises InputError (E225) for a text that cannot be edited.
        """
        path, was, now = leaf
        file, field = self._home(document, (*place.field, *path))
        above = len(field) - len(path)
        cut = self._cut(document, place, path, file, field[:above])
        if cut < len(path):
            path, field = path[:cut], field[: above + cut]
            was, now = value_at(have, path), value_at(wanted, path)
        missing = self._missing(document, place, path, file, field[:above])
        if now is not ABSENT and missing < len(path):
            now = _begun(value_at(wanted, path[:missing]), path[missing:], now)
            path, field = path[:missing], field[: above + missing]
        if isinstance(now, list):
            now = _as_written(value_at(document.value, (*place.field, *path)), was, now)
        attempt = (file, field, json.dumps(None if now is ABSENT else [now]))
        if attempt in self._tried or (now is ABSENT and self._own(file, field) is ABSENT):
            return False
        self._tried.add(attempt)
        text, name, is_json = self._text(file), shown(file, self._root), _is_json(file)
        if now is ABSENT:
            self.texts[file] = without_value(text, field, name, is_json=is_json)
        else:
            self.texts[file] = with_value(text, field, now, name, is_json=is_json)
        old = value_in(self._before[file].removeprefix(BOM), field, is_json=is_json)
        self._changes[file, field] = Change(name, dotted(field), old, now)
        return True

    def changed(self) -> dict[Path, tuple[str, str]]:
        """The text of each changed file before and after, byte-order mark and all."""
        found = {}
        for file, text in self.texts.items():
            before = self._before[file]
            after = BOM + text if before.startswith(BOM) else text
            if after != before:
                found[file] = (before, after)
        return found

    def changes(self) -> Sequence[Change]:
        """What the changed files say otherwise, each field once."""
        return [change for change in self._changes.values() if change.is_one]

    def depth(self, document: Document) -> int:
        """How many files a spec extends."""
        count, path, parent = 0, document.path, document.value.get("extends")
        while isinstance(parent, str):
            count, path = count + 1, path.parent / parent
            parent = read_document(path, path.name).value.get("extends")
        return count

    def _home(self, document: Document, field: Path_) -> tuple[Path, Path_]:
        """The file that a field of a spec is written to, and the path in it.

        That is the spec's own, whatever it extends. A data set, which specs share by name, is
        written where it stands, or else there would be two of one name.
        """
        if field[0] != "data":
            return document.path.resolve(), field
        known = field if field in document.marks else ("data", "source")
        file = self._root / document.position(known).file
        is_data_set = file.parent.name == DATA_SETS
        return file.resolve(), field[1:] if is_data_set else field

    def _cut(self, document: Document, place: Place, path: Path_, file: Path, above: Path_) -> int:
        """How many parts of a path to go down; there, the whole value is written.

        Not into a value that the spec writes in short, nor into a list that another file has.
        """
        for depth, part in enumerate(path):
            here = value_at(document.value, (*place.field, *path[:depth]))
            if not isinstance(here, Mapping | list) and here not in (ABSENT, None):
                return depth
            if isinstance(part, int) and self._own(file, (*above, *path[: depth + 1])) is ABSENT:
                return depth
        return len(path)

    def _missing(
        self, document: Document, place: Place, path: Path_, file: Path, above: Path_
    ) -> int:
        """How many parts of a path lead to a section that is not written yet; else all."""
        for depth in range(1, len(path)):
            here = value_at(document.value, (*place.field, *path[:depth]))
            own = self._own(file, (*above, *path[:depth]))
            if here in (ABSENT, None) and own in (ABSENT, None):
                return depth
        return len(path)

    def _own(self, file: Path, field: Path_) -> Any:
        return value_in(self._text(file), field, is_json=_is_json(file))

    def _text(self, file: Path) -> str:
        if file not in self.texts:
            self._before[file] = file.read_bytes().decode("utf-8")
            self.texts[file] = self._before[file].removeprefix(BOM)
        return self.texts[file]


def _begun(section: Any, path: Path_, value: Any) -> Any:
    """A section with one value, and with the `type` that it has by default, which must be said."""
    if not path:
        return value
    key, *rest = path
    begun = {"type": section["type"]} if "type" in section else {}
    return begun | {key: _begun(section[key], tuple(rest), value)}


def _is_json(file: Path) -> bool:
    return file.suffix.lower() == ".json"


def _as_written(written: Any, compiled: Any, wanted: list[Any]) -> list[Any]:
    """The wanted list, in which each item that a spec has already stays as it is written there."""
    if not isinstance(written, list) or not isinstance(compiled, list):
        return wanted
    pairs = list(zip(written, compiled, strict=False))
    return [next((mine for mine, full in pairs if equal(full, i)), i) for i in wanted]
