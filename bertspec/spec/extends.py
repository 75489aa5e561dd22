"""`extends` and named data sets: several files become one document, positions kept."""

from pathlib import Path
from typing import Any

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.spec.document import Document, Marks, Path_, read_document, shown


def load_document(path: Path, root: Path) -> Document:
    """A spec's document with what it extends merged in, and its data set in place.

    Raises InputError for a form error in any of the files, a missing file, or a cycle (E008).
    """
    return _with_data_set(_with_parents(path, root, ()), root)


def load_data_set_document(path: Path, root: Path) -> Document:
    """A data set file's document; its name defaults to the file's."""
    document = read_document(path, shown(path, root))
    document.value.setdefault("name", path.stem)
    return document


def _with_parents(path: Path, root: Path, chain: tuple[Path, ...]) -> Document:
    document = read_document(path, shown(path, root))
    _name_inline_data_set(document)
    parent = document.value.get("extends")
    if not isinstance(parent, str):
        return document
    target = (path.parent / parent).resolve()
    here = document.position(("extends",))
    seen = (*chain, path.resolve())
    if target in seen:
        circle = " -> ".join(p.name for p in (*seen[seen.index(target) :], target))
        raise InputError.of("E008", f"`extends` goes in a circle: {circle}", "break it", here)
    if not target.is_file():
        near = [p.name for p in target.parent.glob("*") if p.is_file()]
        raise InputError.of(
            "E007", f"there is no file {parent}", did_you_mean(target.name, near), here
        )
    base = _with_parents(target, root, seen)
    base.value.pop("name", None)
    value, marks = _merge(base, document, ())
    return Document(path, document.name, value, marks)


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
    if not isinstance(name, str):
        return document
    here = document.position(("data",))
    folders = [p / "datasets" for p in document.path.resolve().parents]
    found = [
        p for f in folders for s in (".yaml", ".yml", ".json") if (p := f / (name + s)).is_file()
    ]
    if not found:
        known = {p.stem for f in folders if f.is_dir() for p in f.iterdir()}
        advice = did_you_mean(name, known) if known else "write the data set inline"
        raise InputError.of("E007", f"there is no datasets/{name}.yaml", advice, here)
    data = load_data_set_document(found[0], root)
    _check_version(data)
    value = {k: v for k, v in data.value.items() if k != "bertspec"}
    marks = dict(document.marks)
    marks |= {("data", *p): m for p, m in data.marks.items() if p}
    return Document(document.path, document.name, document.value | {"data": value}, marks)


def _check_version(data: Document) -> None:
    if data.value.get("bertspec") != 1:
        raise InputError.of(
            "E009",
            "a data set file says which version of the language it is in",
            "write `bertspec: 1` in its first line",
            data.position(("bertspec",)),
        )
