"""Load specs and data sets from files and folders: everything that is wrong, all at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from bertspec.core import looks
from bertspec.core.diagnostics import Diagnostic, Position, Severity
from bertspec.core.errors import InputError
from bertspec.core.model import Model
from bertspec.core.names import nearest_file
from bertspec.spec.document import Document, read_document, shown
from bertspec.spec.extends import (
    DATA_SETS,
    is_spec_file,
    load_data_set_document,
    load_document,
)
from bertspec.spec.needs import needed_specs
from bertspec.spec.problems import diagnostics_of, without_unknown_keys
from bertspec.spec.sections import DataSetFile, Spec
from bertspec.spec.unsaved import is_file


@dataclass(frozen=True, eq=False)
class LoadedSpec:
    """A spec without its unknown keys, and the document that knows where each value stands."""

    spec: Spec
    document: Document

    @property
    def dataset_name(self) -> str:
        return self.spec.data.name or self.spec.name


@dataclass(frozen=True)
class Loaded:
    """What could be loaded, and all that is wrong."""

    specs: tuple[LoadedSpec, ...]
    """Those that are valid but for unknown keys, so that rules can look at them."""
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]


M = TypeVar("M", bound=Model)


def load(paths: Iterable[Path], root: Path) -> Loaded:
    """Load every spec of `paths`; messages name files relative to `root`.

    A folder stands for the specs directly in it and the data sets in its `datasets`; files whose
    name begins with `_` or `.` are left out there, so a spec that only others extend can be so
    named. A path that does not exist is among the diagnostics (E007).

    With a spec come those whose models it needs, when they lie in the same folder.
    """
    found: list[Diagnostic] = []
    given = {shown(f, root): f for p in paths for f in _files(root / p, root, found)}
    waiting = [given[name] for name in sorted(given)]
    specs: dict[str, LoadedSpec] = {}
    files: dict[str, Path] = {}
    told: set[tuple[str, Position | str]] = set()
    while waiting:
        for file in waiting:
            name = shown(file, root)
            spec, mine = _load_file(file, root)
            files[name] = file
            specs |= {name: spec} if spec else {}
            # An error in a data set or in a parent is found by each file that takes it in.
            found += [d for d in mine if _identity(d) not in told]
            told |= {_identity(d) for d in mine}
        waiting = [f for f in _needed(specs.values()) if shown(f, root) not in files]
    names = sorted(files)
    return Loaded(
        tuple(specs[name] for name in names if name in specs),
        tuple(found),
        tuple(files[name] for name in names),
    )


def _needed(specs: Iterable[LoadedSpec]) -> list[Path]:
    """The files of specs whose models these need and that are not among them."""
    known = {loaded.spec.name for loaded in specs}
    wanted = {
        (name, loaded.document.path.parent): None
        for loaded in specs
        for name in needed_specs(loaded.spec).values()
        if name not in known
    }
    found = [spec_named(name, folder) for name, folder in wanted]
    return list(dict.fromkeys(file for file in found if file is not None))


def spec_named(name: str, folder: Path) -> Path | None:
    """The file of the spec of this name in a folder: most often, it is called so, too."""
    # An unsaved spec may be in no folder yet.
    there = looks.below(folder) if looks.is_folder(folder) else []
    files = [file for file in there if is_spec_file(file) and looks.is_file(file)]
    for file in sorted(files, key=lambda f: (f.stem != name, f.name)):
        try:
            document = read_document(file, file.name)
        except InputError:
            if file.stem == name:  # it is meant, and what is wrong in it is to be told
                return file
            continue
        if document.value.get("name") == name:
            return file
    return None


def _identity(diagnostic: Diagnostic) -> tuple[str, Position | str]:
    return diagnostic.code, diagnostic.position or diagnostic.message


def _load_file(file: Path, root: Path) -> tuple[LoadedSpec | None, Sequence[Diagnostic]]:
    try:
        if file.parent.name == DATA_SETS:
            return None, _validate(DataSetFile, load_data_set_document(file, root))[1]
        document = load_document(file, root)
    except InputError as error:
        return None, error.diagnostics
    spec, found = _validate(Spec, document)
    return (LoadedSpec(spec, document) if spec else None), found


def _validate(model: type[M], document: Document) -> tuple[M | None, Sequence[Diagnostic]]:
    """The document as a model, if it is one but for unknown keys; and what is wrong in it."""
    try:
        return model.model_validate(document.value), ()
    except ValidationError as error:
        found = diagnostics_of(error, model, document)
        known = without_unknown_keys(error, model, document)
    try:
        return model.model_validate(known), found
    except ValidationError:
        return None, found


def _files(path: Path, root: Path, found: list[Diagnostic]) -> Iterator[Path]:
    """The files that a path stands for; `found` gets what is wrong with it."""
    name = shown(path, root)
    if is_file(path):
        yield path
    elif not looks.is_folder(path):
        message = f"there is no file or folder {name}"
        found.append(Diagnostic("E007", message, nearest_file(path), Position(name)))
    else:
        files = list(_spec_files(path, root, found))
        if not files:
            message = f"there is no spec in {name}"
            advice = "specs end in .yaml, .yml or .json, and do not begin with `_` or `.`"
            found.append(Diagnostic("E016", message, advice, Position(name), Severity.WARNING))
        yield from files
        if path.name != DATA_SETS and looks.is_folder(path / DATA_SETS):
            yield from _spec_files(path / DATA_SETS, root, found)


def _spec_files(folder: Path, root: Path, found: list[Diagnostic]) -> Iterator[Path]:
    for file in filter(is_spec_file, looks.below(folder)):
        here = Position(shown(file, root))
        if looks.is_file(file):
            yield file
        elif looks.is_folder(file):
            message = "this is a folder, and is not read"
            advice = "name it as an argument to read the specs in it, or rename it"
            found.append(Diagnostic("E007", message, advice, here, Severity.WARNING))
        else:
            message = "this is no file, or a link that leads to none"
            found.append(Diagnostic("E007", message, "mend it or remove it", here))
