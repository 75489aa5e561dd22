"""Which specs of a project can be used, and what is wrong with the others, each beside its file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertspec.compiler.checks import load_checked
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.diffing.side import SPECS
from bertspec.spec.document import shown
from bertspec.spec.load import Loaded, LoadedSpec, load


@dataclass(frozen=True)
class Broken:
    """A file that cannot be used, and why."""

    file: str
    problems: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Usable:
    """The specs that are valid together, and all else."""

    specs: tuple[LoadedSpec, ...]
    broken: tuple[Broken, ...]
    warnings: tuple[Diagnostic, ...]


def usable_specs(root: Path) -> Usable:
    """Where all are valid they are loaded once, and else each by itself, too."""
    loaded = load_checked([SPECS], root)
    warnings = tuple(d for d in loaded.diagnostics if d.severity is Severity.WARNING)
    if not errors_of(loaded):
        return Usable(loaded.specs, (), warnings)
    broken: dict[str, tuple[Diagnostic, ...]] = {}
    good = []
    for file in loaded.files:
        if found := errors_of(load_checked([file], root)):
            broken[shown(file, root)] = found
        else:
            good.append(file)
    specs = _together(good, root, broken)
    told = {d for found in broken.values() for d in found}
    for error in errors_of(loaded):  # such as a link that leads to no file
        if error not in told:
            place = error.position.file if error.position else str(SPECS)
            broken[place] = (*broken.get(place, ()), error)
    return Usable(specs, tuple(Broken(f, broken[f]) for f in sorted(broken)), warnings)


def errors_of(loaded: Loaded) -> tuple[Diagnostic, ...]:
    return tuple(d for d in loaded.diagnostics if d.severity is Severity.ERROR)


def _together(
    files: Sequence[Path], root: Path, broken: dict[str, tuple[Diagnostic, ...]]
) -> tuple[LoadedSpec, ...]:
    """Those that are valid beside each other; what is wrong with others goes to `broken`."""
    while True:
        loaded = load_checked(files, root)
        found = errors_of(loaded)
        if not found:
            return loaded.specs
        # What one alone has not is of two that do not go together. Each such error is at one.
        blamed = dict(_blamed(loaded.specs, found))
        for name, problems in blamed.items():
            broken.setdefault(name, problems)
        left = [file for file in files if shown(file, root) not in broken]
        if len(left) == len(files):
            # What is blamed was taken out, and has come back with one that needs its model.
            taken = [f for f in files if not broken.keys().isdisjoint(_with_needed(f, root))]
            for file in taken or files:
                broken[shown(file, root)] = found
            left = [file for file in files if shown(file, root) not in broken]
        files = left


def _with_needed(file: Path, root: Path) -> list[str]:
    """A spec and those whose models it needs."""
    return [shown(each, root) for each in load([file], root).files]


def _blamed(
    specs: Iterable[LoadedSpec], errors: Iterable[Diagnostic]
) -> Iterator[tuple[str, tuple[Diagnostic, ...]]]:
    """Files of specs with the errors that stand in them, or in what they extend."""
    errors = list(errors)
    for each in specs:
        files = {marks.value.file for marks in each.document.marks.values()}
        if mine := tuple(d for d in errors if d.position and d.position.file in files):
            yield each.document.name, mine
