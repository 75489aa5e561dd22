"""Find the changes of specs with which they compile to what params.yaml holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertspec.adopting.differences import Difference, differences, overwritten
from bertspec.adopting.experiment import params_of
from bertspec.adopting.places import Compiled, Leaf, Place, Role, equal, leaves, values_of
from bertspec.adopting.specfiles import Change, SpecFiles
from bertspec.compiler.checks import load_checked, load_valid
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.core.values import ABSENT, dotted, shown, value_at
from bertspec.pipeline.layout import PARAMS_FILE
from bertspec.pipeline.lock import Lock, require_lock
from bertspec.pipeline.stage import Pipeline
from bertspec.planning.sources import position_of
from bertspec.planning.yaml_file import read_mapping
from bertspec.spec.load import LoadedSpec
from bertspec.spec.unsaved import unsaved

_Wanted = Mapping[tuple[str, Role], Any]
"""What a spec is to give for each of its places."""


@dataclass(frozen=True)
class Adopted:
    """What is to be written."""

    put_back: Sequence[Difference] = ()
    """In what params.yaml is neither as compiled nor taken over: as of other specs than the one
    that was asked for, or where the values of an experiment were.
    """
    texts: Mapping[Path, tuple[str, str]] = field(default_factory=dict)
    """Each file of a spec or a data set that changes: its text before and after."""
    changes: Sequence[Change] = ()
    again: Sequence[str] = ()
    """Stages that run again all the same: they have another name, or another record."""
    pipeline: Pipeline | None = None
    """What the changed specs compile to; None where there is nothing to adopt."""


def adopt(
    root: Path,
    paths: Sequence[Path],
    name: str | None,
    experiment: str | None = None,
) -> Adopted:
    """The changes of the specs at `paths`, or of the one called `name` alone.

    Values are those of params.yaml, or of an experiment of DVC. A data set is changed for all specs
    that use it. Nothing is written.
    Raises InputError: E240 for an experiment that is not there, E224 for a name that no spec has,
    E221 to E223 for values that come from no field of a spec, E225 for a file that cannot be
    edited, E226 for values that specs may not have.
    """
    lock = require_lock(root)
    before = Compiled.of(load_valid(paths, root).specs, lock)
    called = PARAMS_FILE if experiment is None else f"{PARAMS_FILE} of `{experiment}`"
    present = _present(root) if experiment is None else params_of(experiment, root)
    takes = _taking(before.pinned, name)
    found = list(differences(before, present, called))
    values = values_of(before.pinned, before.params)
    tried = values_of(before.pinned, present)
    wanted = {(p.spec, p.role): tried[p] if takes(p) else values[p] for p in values}
    files, after = SpecFiles(root), before
    if _todo(before, wanted):
        after = _settle(root, paths, lock, before, wanted, files, called)
    put_back = [d for d in found if not any(map(takes, d.places))]
    if experiment is not None:
        is_there = (root / PARAMS_FILE).is_file()
        put_back = list(overwritten(before, after, _present(root))) if is_there else []
    if after is before:
        return Adopted(put_back)
    return Adopted(
        put_back, files.changed(), files.changes(), _again(before, after), after.pipeline
    )


def _present(root: Path) -> Mapping[str, Any]:
    return read_mapping(root, PARAMS_FILE, "E209", "see `bertspec explain-code E209`")


def _taking(specs: Sequence[LoadedSpec], name: str | None) -> Callable[[Place], bool]:
    """Whether a place is to have what params.yaml says. Raises InputError for an unknown name."""
    data = {loaded.spec.name: loaded.dataset_name for loaded in specs}
    if name is not None and name not in data:
        raise InputError.of("E224", f"no spec is called `{name}`", did_you_mean(name, data))

    def takes(place: Place) -> bool:
        of_data = place.role[0] == "datasets"
        return name in (None, place.spec) or (of_data and data[place.spec] == data[str(name)])

    return takes


def _todo(now: Compiled, wanted: _Wanted) -> list[tuple[Place, Any, Leaf]]:
    """In what the specs do not compile to what is wanted: the place, what it has, and the leaf."""
    return [
        (place, value, leaf)
        for place, value in values_of(now.pinned, now.params).items()
        for leaf in _leaves(value, wanted[place.spec, place.role])
        if not _is_default(now, place, leaf)
    ]


def _leaves(value: Any, wanted: Any) -> Iterator[Leaf]:
    # A section of which nothing is compiled, as all is at its default, is there all the same.
    if value is ABSENT and isinstance(wanted, Mapping):
        value = {}
    if wanted is ABSENT and isinstance(value, Mapping):
        wanted = {}
    return leaves(value, wanted)


def _is_default(now: Compiled, place: Place, leaf: Leaf) -> bool:
    """Whether all that is missing is a default, which compiling writes out."""
    path, _, value = leaf
    return value is ABSENT and (*place.field, *path) not in now.document(place.spec).marks


def _settle(
    root: Path,
    paths: Sequence[Path],
    lock: Lock,
    before: Compiled,
    wanted: _Wanted,
    files: SpecFiles,
    called: str,
) -> Compiled:
    """Change files until the specs compile to what is wanted.

    One round may not be enough: a spec that inherits a changed value is to stay what it was, and
    another `type` has other options. No change is tried twice, so that there is an end.
    """
    now = before
    while todo := _todo(now, wanted):
        if not _change(now, todo, wanted, files):
            raise InputError([_stuck(now, wanted, place, leaf, called) for place, _, leaf in todo])
        with unsaved(files.texts):
            loaded = load_checked(paths or (Path("specs"),), root)
        if errors := [d for d in loaded.diagnostics if d.severity is Severity.ERROR]:
            message = f"{called} holds values that a spec may not have; nothing is written"
            advice = "what is wrong with them follows, in the lines that they would stand in"
            raise InputError([Diagnostic("E226", message, advice), *errors])
        now = _compiled(loaded.specs, lock)
    return now


def _change(
    now: Compiled, todo: Sequence[tuple[Place, Any, Leaf]], wanted: _Wanted, files: SpecFiles
) -> bool:
    """Change the files of specs that extend the least, so that others inherit what they can."""
    depths = {p.spec: files.depth(now.document(p.spec)) for p, _, _ in todo}
    for depth in sorted(set(depths.values())):
        tried = [
            files.change(now.document(p.spec), p, leaf, value, wanted[p.spec, p.role])
            for p, value, leaf in todo
            if depths[p.spec] == depth
        ]
        if any(tried):
            return True
    return False


def _compiled(specs: Sequence[LoadedSpec], lock: Lock) -> Compiled:
    try:
        return Compiled.of(specs, lock)
    except InputError as error:  # the lock was made for the specs as they are
        advice = "write the change into the spec yourself, run `bertspec lock`, then compile"
        raise InputError.of("E226", error.diagnostics[0].message, advice) from None


def _stuck(now: Compiled, wanted: _Wanted, place: Place, leaf: Leaf, called: str) -> Diagnostic:
    path, would, value = leaf
    key, inner = place.in_params(path), (*place.field, *path)
    position = position_of(now.document(place.spec), inner)
    if value is ABSENT:
        message = f"`{key}` is not in {called}, and `{place.spec}` has it from another file"
        advice = f"take `{dotted(inner)}` out there, or give the key its default"
        return Diagnostic("E226", message, advice, position)
    others = [
        p.in_params(path)
        for p in values_of(now.pinned, now.params)
        if (p.spec, p.field) == (place.spec, place.field) and p.role != place.role
        and not _agrees(wanted[p.spec, p.role], path, value)
    ]  # fmt: skip
    message = f"`{key}` is {shown(value)} in {called}, and the rest makes it {shown(would)}"
    advice = f"change `{dotted(inner)}` of `{place.spec}` by hand"
    if others:
        advice = f"one field gives {', '.join(f'`{k}`' for k in others)}, too, which differs; "
        advice += f"change `{dotted(inner)}` of `{place.spec}` by hand, or both in an experiment"
    return Diagnostic("E226", message, advice, position)


def _agrees(whole: Any, path: tuple[Any, ...], value: Any) -> bool:
    there = value_at(whole, path)
    return there is ABSENT or equal(there, value)


def _again(before: Compiled, after: Compiled) -> list[str]:
    """Stages that DVC has not under this name, or whose record says something else."""
    old = {stage.name: stage.record for stage in before.pipeline.stages}
    return [stage.name for stage in after.pipeline.stages if old.get(stage.name) != stage.record]
