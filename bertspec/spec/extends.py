"""`extends` and named data sets: several files become one document, positions kept."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertspec.core import looks
from bertspec.core.diagnostics import Diagnostic, Position
from bertspec.core.errors import InputError
from bertspec.core.names import NAME_PATTERN, did_you_mean, nearest, nearest_file, nearest_path
from bertspec.spec.document import Document, Marks, Path_, read_document, shown
from bertspec.spec.sections import LANGUAGE_VERSION
from bertspec.spec.unsaved import is_file

SUFFIXES = (".yaml", ".yml", ".json")
"""What the name of a spec or a data set file ends with, in any case."""

DATA_SETS = "datasets"
"""A folder of this name holds data sets, not specs."""


def load_document(path: Path, root: Path) -> Document:
    """A spec's document with what it extends merged in, and its data set in place.

    Raises InputError for a form error in any of the files, a missing file (E007), a cycle (E008),
    a file that is in no version of the language (E011) or in another one (E009), or one that lies
    outside of the project (E109).
    """
    return _with_data_set(_with_parents(path, root, ()), root)


def load_data_set_document(path: Path, root: Path) -> Document:
    """A data set file's document; its name defaults to the file's."""
    name = shown(path, root)
    _require_inside(path, root, path.parent, Position(name))
    document = read_document(path, name)
    document.value.setdefault("name", path.stem)
    return document


def _with_parents(path: Path, root: Path, chain: tuple[Path, ...]) -> Document:
    name = shown(path, root)
    if not chain:
        _require_inside(path, root, path.parent, Position(name))
    document = read_document(path, name)
    _name_inline_data_set(document)
    parent = document.value.get("extends")
    if not isinstance(parent, str):
        return document
    target = path.parent / parent
    here = document.position(("extends",))
    if not is_file(target):
        raise _missing(f"there is no file {parent}", nearest_file(target), here,
                       nearest_path(parent, path.parent))  # fmt: skip
    seen, real = (*chain, looks.real(path)), looks.real(target)
    _require_inside(target, root, seen[0].parent, here)
    if real in seen:
        circle = " -> ".join(p.name for p in (*seen[seen.index(real) :], real))
        raise InputError.of("E008", f"`extends` goes in a circle: {circle}", "break it", here)
    base = _with_parents(target, root, seen)
    _check_version(base)
    for own in ("bertspec", "name"):
        base.value.pop(own, None)
    value, marks = _merge(base, document, ())
    return Document(path, document.name, value, marks)


def _require_inside(file: Path, root: Path, folder: Path, here: Position) -> None:
    """Raise InputError (E109) for a file that lies neither in the project nor in the first spec's
    folder, whatever links lead to it: a spec of others shows nothing of what else is on a machine.
    """
    real = looks.real(file)
    if not any(real.is_relative_to(looks.real(place)) for place in (root, folder)):
        name = Path(os.path.relpath(file, root)).as_posix()
        message = f"{name} leads out of the project"
        raise InputError.of("E109", message, "copy the file into the project", here)


def _name_inline_data_set(document: Document) -> None:
    """An inline data set without a name has the name of the spec that wrote it.

    So a spec that extends another one shares its data set, and the stages of that.
    """
    data, name = document.value.get("data"), document.value.get("name")
    if isinstance(data, dict) and isinstance(name, str) and "source" in data:
        data.setdefault("name", name)


def _merge(base: Document, over: Document, path: Path_) -> tuple[Any, dict[Path_, Marks]]:
    low, high = _at(base.value, path), _at(over.value, path)
    marks = {path: over.marks[path]}
    if not (isinstance(low, dict) and isinstance(high, dict)) or _other_kind(low, high):
        marks |= {p: m for p, m in over.marks.items() if p[: len(path)] == path}
        return high, marks
    merged: dict[str, Any] = {}
    for key in [*low, *(k for k in high if k not in low)]:
        child = (*path, key)
        if key in high and key in low and child in over.marks:
            merged[key], more = _merge(base, over, child)
        else:
            source = over if key in high else base
            merged[key] = _at(source.value, child)
            more = {p: m for p, m in source.marks.items() if p[: len(child)] == child}
        marks |= more
    return merged, marks


def _other_kind(low: dict[str, Any], high: dict[str, Any]) -> bool:
    """Options of one kind mean nothing for another, so a change of `type` replaces them all."""
    return "type" in low and "type" in high and low["type"] != high["type"]


def _at(value: Any, path: Path_) -> Any:
    for part in path:
        value = value[part]
    return value


def _with_data_set(document: Document, root: Path) -> Document:
    name = document.value.get("data")
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        return document  # it is no name: validation says so
    files = data_set_files(document.path, root)
    file = next((f for f in files if f.stem == name), None)
    if file is None:
        known = {f.stem for f in data_set_files(document.path, root)}
        advice = did_you_mean(name, known) if known else "write the data set inline"
        here = document.position(("data",))
        raise _missing(f"there is no {DATA_SETS}/{name}.yaml", advice, here, nearest(name, known))
    data = load_data_set_document(file, root)
    _check_version(data)
    value = {k: v for k, v in data.value.items() if k != "bertspec"}
    marks = dict(document.marks)
    marks |= {("data", *p): m for p, m in data.marks.items() if p}
    return Document(document.path, document.name, document.value | {"data": value}, marks)


def _missing(message: str, help: str, here: Position, meant: str | None) -> InputError:
    return InputError([Diagnostic("E007", message, help, here, replacement=meant)])


def data_set_files(path: Path, root: Path) -> Iterator[Path]:
    """Data sets that the spec at `path` can name; those in the nearest folder first.

    They lie in `datasets` beside the spec or in a folder above it, up to the project's.
    """
    place = Path(shown(path, root))
    folders = [path.parent] if place.parts[0] == ".." else [root / p for p in place.parents]
    for folder in (f / DATA_SETS for f in folders):
        for file in looks.below(folder) if looks.is_folder(folder) else ():
            if is_spec_file(file) and looks.is_file(file):
                yield file


def is_spec_file(path: Path) -> bool:
    """Whether a file of this name in a folder is read. `_` and `.` keep a file out."""
    return path.suffix.lower() in SUFFIXES and path.name[0] not in "._"


def _check_version(document: Document) -> None:
    """Raise InputError for a file that another one takes in, in another version than this one.

    It says what validating the file by itself would say.
    """
    version = document.value.get("bertspec")
    if version is None:
        raise InputError.of(
            "E011", "`bertspec` is missing", "write `bertspec: 1` first", document.position(())
        )
    if version != LANGUAGE_VERSION or isinstance(version, bool):
        raise InputError.of(
            "E009",
            f"this is version {version} of the language",
            f"write `bertspec: {LANGUAGE_VERSION}`, which this bertspec reads",
            document.position(("bertspec",)),
        )
