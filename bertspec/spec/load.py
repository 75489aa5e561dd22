"""Load specs and data sets from files and folders: everything that is wrong, all at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.spec.document import Document
from bertspec.spec.extends import load_data_set_document, load_document
from bertspec.spec.problems import diagnostics_of
from bertspec.spec.sections import DataSet, DataSetFile, Spec

SUFFIXES = (".yaml", ".yml", ".json")
DATA_SETS = "datasets"
"""A folder of this name holds data sets, not specs."""


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, with the document that knows where each of its values stands."""

    spec: Spec
    document: Document

    @property
    def dataset_name(self) -> str:
        return self.spec.data.name or self.spec.name


@dataclass(frozen=True)
class Loaded:
    """What could be loaded, and what is wrong with the rest."""

    specs: tuple[LoadedSpec, ...]
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]


def load(paths: Iterable[Path], root: Path) -> Loaded:
    """Load every spec of `paths`; messages name files relative to `root`.

    A folder stands for the specs directly in it and the data sets in its `datasets`; files whose
    name begins with `_` or `.` are left out there, so a spec that only others extend can be so
    named. Raises InputError (E007) for a path that does not exist.
    """
    files = sorted({f.absolute(): f for p in paths for f in _files(p, root)}.values())
    specs: list[LoadedSpec] = []
    found: list[Diagnostic] = []
    for file in files:
        try:
            if file.parent.name == DATA_SETS:
                load_data_set(file, root)
            else:
                specs.append(load_spec(file, root))
        except InputError as error:
            found.extend(error.diagnostics)
    # An error in a data set file is found by each spec that names it.
    told = {(d.code, d.position or d.message): d for d in found}
    return Loaded(tuple(specs), tuple(told.values()), tuple(files))


def load_spec(path: Path, root: Path) -> LoadedSpec:
    """Load one spec. Raises InputError with all that is wrong in it."""
    document = load_document(path, root)
    try:
        return LoadedSpec(Spec.model_validate(document.value), document)
    except ValidationError as error:
        raise InputError(diagnostics_of(error, Spec, document)) from None


def load_data_set(path: Path, root: Path) -> DataSet:
    """Load one data set file. Raises InputError with all that is wrong in it."""
    document = load_data_set_document(path, root)
    try:
        return DataSetFile.model_validate(document.value)
    except ValidationError as error:
        raise InputError(diagnostics_of(error, DataSetFile, document)) from None


def _files(path: Path, root: Path) -> Iterator[Path]:
    full = root / path
    if full.is_file():
        yield full
        return
    if not full.is_dir():
        near = [p.name for p in full.parent.glob("*")] if full.parent.is_dir() else []
        raise InputError.of(
            "E007",
            f"there is no file or folder {path}",
            did_you_mean(full.name, near) if near else "check the path",
        )
    folders = [full] if full.name == DATA_SETS else [full, full / DATA_SETS]
    for folder in folders:
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.suffix in SUFFIXES and file.is_file() and file.name[0] not in "._":
                yield file
