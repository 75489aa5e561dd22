"""The project that a file is in, and the other files of it that matter to the file."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from bertspec.core.errors import InputError
from bertspec.core.model import Model
from bertspec.formatting.spec_file import document_model
from bertspec.pipeline.layout import DVC_FILE, LOCK_FILE, PARAMS_FILE
from bertspec.spec.document import read_document
from bertspec.spec.extends import (
    DATA_SETS,
    SUFFIXES,
    data_set_files,
    is_spec_file,
    load_data_set_document,
    load_document,
)
from bertspec.spec.sections import Spec
from bertspec.spec.unsaved import unsaved_text

SPECS = "specs"
"""The folder of specs, where nothing else is said."""

_MARKS = (".dvc", LOCK_FILE, DVC_FILE)
_MOST_FILES = 200
"""Specs of a folder that are looked at, so that a folder of anything else takes no time."""

_VERSION_KEY = re.compile(r"""(^|[{,]\s*)["']?bertspec["']?\s*:""", re.MULTILINE)


def is_ours(path: Path, text: str) -> bool:
    """Whether a file is a spec or a data set, or is to become one."""
    if path.suffix.lower() not in SUFFIXES or path.name in (DVC_FILE, PARAMS_FILE):
        return False
    if _VERSION_KEY.search(text):
        return True
    return SPECS in path.parent.parts and (not text.strip() or _marked(path) is not None)


def root_of(path: Path, folders: Sequence[Path]) -> Path:
    """The folder in which the commands would be called for a file.

    It is the nearest one around the file with DVC's or bertspec's own files, else the one that
    holds `specs`, else the folder that the editor has opened (one of `folders`).
    """
    if (marked := _marked(path)) is not None:
        return marked
    for folder in path.parents:
        if folder.name == SPECS:
            return folder.parent
    opened = [folder for folder in folders if path.is_relative_to(folder)]
    return max(opened, key=lambda folder: len(folder.parts), default=path.parent)


def _marked(path: Path) -> Path | None:
    """The nearest folder around a file that a project has begun in."""
    return next((f for f in path.parents if any((f / mark).exists() for mark in _MARKS)), None)


def whole(value: Any, path: Path, root: Path) -> dict[str, Any]:
    """What a spec says, with what it extends and its data set, as far as they can be read.

    `value` is the document; that of a data set file stands as `data` in the result.
    """
    own = value if isinstance(value, dict) else {}
    if model_of(path) is not Spec:
        return {"data": own}
    if isinstance(parent := own.get("extends"), str):
        own = _merged(_read(path.parent / parent, root), own)
    if isinstance(name := own.get("data"), str) and (file := data_set_file(name, path, root)):
        own = own | {"data": _read(file, root)}
    return own


def model_of(path: Path) -> type[Model]:
    """What the file holds."""
    return document_model(path)


def data_set_file(name: str, path: Path, root: Path) -> Path | None:
    """The file of the data set that the spec at `path` calls so."""
    return next((f for f in data_set_files(path, root) if f.stem == name), None)


def spec_files(folder: Path) -> list[Path]:
    """The specs directly in a folder, those that others extend too."""
    if not folder.is_dir():
        return []
    found = (f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.name[0] != ".")
    return sorted(found)[:_MOST_FILES]


def spec_names(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The names of the specs of a folder, and their documents."""
    for file in spec_files(folder):
        document = _document(file)
        if is_spec_file(file) and isinstance(name := document.get("name"), str):
            yield name, document


def users_of(path: Path, root: Path) -> list[Path]:
    """The specs that extend the file, or have it as their data set, at once or by others."""
    is_data_set = path.parent.name == DATA_SETS
    files = spec_files(path.parent.parent if is_data_set else path.parent)
    found: list[Path] = []
    reached = {path.resolve()}
    while new := [f for f in files if f.resolve() not in reached and _uses(f, reached, root)]:
        found += new
        reached |= {f.resolve() for f in new}
    return found


def _uses(file: Path, reached: set[Path], root: Path) -> bool:
    document = _document(file)
    if isinstance(parent := document.get("extends"), str):
        try:
            if (file.parent / parent).resolve() in reached:
                return True
        except (OSError, ValueError):
            return False
    name = document.get("data")
    target = data_set_file(name, file, root) if isinstance(name, str) else None
    return target is not None and target.resolve() in reached


def _document(file: Path) -> dict[str, Any]:
    if unsaved_text(file) is not None or not file.is_file():
        return _parsed(file)
    status = file.stat()
    return _on_disk(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1000)
def _on_disk(file: Path, _changed: int, _size: int) -> dict[str, Any]:
    return _parsed(file)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return read_document(file, file.name).value
    except InputError:
        return {}


def _read(path: Path, root: Path) -> dict[str, Any]:
    """Another file with all that it takes in, or nothing where it cannot be read."""
    try:
        if path.parent.name == DATA_SETS:
            return load_data_set_document(path, root).value
        return load_document(path, root).value
    except (InputError, OSError):
        return {}


def _merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """As the loader merges, but for changes of a `type`, which are no help while typing."""
    both = {k for k in high if isinstance(high[k], dict) and isinstance(low.get(k), dict)}
    return low | high | {key: _merged(low[key], high[key]) for key in both}
