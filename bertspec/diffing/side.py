"""One side: the specs, what was compiled and what was built of it, here or at a revision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from bertspec.compiler.checks import load_valid
from bertspec.compiler.emit import compiled_params
from bertspec.compiler.lower import lower
from bertspec.compiler.pins import pinned_places, with_pins
from bertspec.core.diagnostics import Position, Severity
from bertspec.core.errors import InputError, at_place
from bertspec.core.model import written_out
from bertspec.core.names import did_you_mean
from bertspec.core.values import ABSENT, Place, value_at
from bertspec.pipeline.layout import DVC_LOCK, LOCK_FILE, PARAMS_FILE
from bertspec.pipeline.lock import Lock, read_lock
from bertspec.pipeline.stage import HARDWARE, RECORDS, Pipeline, StageRecord
from bertspec.planning.entry import Locked
from bertspec.planning.make import make_plan
from bertspec.planning.plan import Action, What
from bertspec.planning.project import read_locked
from bertspec.planning.sources import lock_document, position_of
from bertspec.runtime.revision import Revision
from bertspec.runtime.stage import read_params, records_of
from bertspec.spec.document import MAX_BYTES, Document
from bertspec.spec.extends import SUFFIXES
from bertspec.spec.load import Loaded, LoadedSpec, load
from bertspec.spec.sections import Spec

SPECS = Path("specs")
_FORM = ("bertspec", "name", "extends")
"""What says how a spec is written, or is its name."""

_WRITTEN = (LOCK_FILE, DVC_LOCK, PARAMS_FILE, "metrics.json")
"""Files of any size, beside those that may be specs."""


@dataclass(frozen=True)
class SpecSide:
    """A spec of a side."""

    loaded: LoadedSpec
    pinned: Spec
    """With what the lock has in the place of what the spec leaves open."""

    @cached_property
    def written(self) -> dict[str, Any]:
        """Its values, every default written out."""
        return _values(self.loaded.spec)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The same of the pinned one."""
        return _values(self.pinned)


@dataclass(frozen=True)
class Side:
    """A project as it is here, or as it was."""

    title: str
    root: Path
    """Where its files lie: those of a revision in a temporary folder."""
    revision: Revision | None
    specs: Mapping[str, SpecSide]
    params: Mapping[str, Any]
    """What params.yaml has of it: of a revision as it was committed, here as it would be compiled;
    empty where that cannot be known."""
    records: Mapping[str, StageRecord]
    built: Mapping[str, Locked]
    """Stages of dvc.lock."""
    stale: frozenset[str]
    """Stages here that are not built from what stands here."""
    notes: tuple[str, ...]

    @property
    def place(self) -> str:
        """In words, behind what is said of it."""
        return "here" if self.revision is None else f"at {self.title}"

    def spec(self, name: str) -> SpecSide:
        """Raises InputError (E204) for a spec that is not there."""
        if name not in self.specs:
            message = f"there is no spec `{name}` {self.place}"
            raise InputError.of("E204", message, did_you_mean(name, self.specs))
        return self.specs[name]

    def in_spec(self, name: str, path: Place) -> Position | None:
        """Where a value is written; without a line where its default holds, and None for what is
        not there.
        """
        spec = self.specs[name]
        is_there = value_at(spec.written, path) is not ABSENT
        return position_of(spec.loaded.document, path) if is_there else None

    def position(self, name: str, path: Place) -> Position | None:
        """The same, or where the lock has what holds in its place."""
        spec = self.specs[name]
        if value_at(spec.values, path) != value_at(spec.written, path):
            for place, in_lock in pinned_places(spec.loaded):
                if path[: len(place) - 1] == place[:-1]:
                    return self.in_lock(in_lock)
        return self.in_spec(name, path)

    def in_lock(self, path: Place) -> Position:
        return position_of(self._lock, path) if self._lock else Position(LOCK_FILE)

    @property
    def hardware(self) -> Mapping[str, Any]:
        """The locked class of machines."""
        return (self.params.get(RECORDS) or {}).get(HARDWARE) or {}

    @cached_property
    def _lock(self) -> Document | None:
        return lock_document(self.root)


def read_here(root: Path, loaded: Loaded) -> Side:
    """The files here.

    Raises InputError for specs, bertspec.lock or dvc.lock that cannot be read.
    """
    _require_valid(loaded)
    lock = read_lock(root)
    notes: list[str] = []
    params: Mapping[str, Any] = {}
    stale: frozenset[str] = frozenset()
    try:
        if lock is None:
            notes.append(f"there is no {LOCK_FILE} here: `bertspec lock` writes it")
        else:
            valid = load_valid((SPECS,), root).specs  # by all rules, which what was may break
            pipeline = lower(valid, lock)
            params = compiled_params(pipeline)
            stale = _stale(root, valid, pipeline)
    except InputError as error:
        notes.append(f"what is here cannot be compiled and planned: {error}")
    records = records_of(params)
    specs = _with_pins(loaded, lock)
    built = read_locked(root)
    return Side("here", root, None, specs, params, records, built, stale, tuple(notes))


def read_revision(revision: Revision, folder: Path) -> Side:
    """A revision, whose files are written to the new `folder`.

    Raises InputError: E490 for what git does not give, and for specs, bertspec.lock or dvc.lock
    that cannot be read, with the revision.
    """
    revision.export(folder, _may_be_read)
    notes = []
    params: Mapping[str, Any] = {}
    records: Mapping[str, StageRecord] = {}
    try:
        params = read_params(folder)
        records = records_of(params)
    except InputError as error:
        notes.append(f"versions of stages and packages of {revision.name} are not known: {error}")
    try:
        there = (folder / SPECS).is_dir()
        loaded = load([SPECS], folder) if there else Loaded((), (), ())
        _require_valid(loaded)
        specs = _with_pins(loaded, read_lock(folder))
        built = read_locked(folder)
    except InputError as error:
        raise at_place(f"at {revision.name}", error) from None
    title = revision.name
    return Side(title, folder, revision, specs, params, records, built, frozenset(), tuple(notes))


def _values(spec: Spec) -> dict[str, Any]:
    """Without what has no meaning of its own."""
    values: dict[str, Any] = written_out(spec)
    return {key: value for key, value in values.items() if key not in _FORM}


def _may_be_read(path: str, size: int) -> bool:
    name = PurePosixPath(path)
    return name.name in _WRITTEN or (name.suffix.lower() in SUFFIXES and size <= MAX_BYTES)


def _require_valid(loaded: Loaded) -> None:
    if any(d.severity is Severity.ERROR for d in loaded.diagnostics):
        raise InputError(loaded.diagnostics)


def _with_pins(loaded: Loaded, lock: Lock | None) -> dict[str, SpecSide]:
    return {
        each.spec.name: SpecSide(each, (with_pins(each, lock) if lock else each).spec)
        for each in loaded.specs
    }


def _stale(root: Path, specs: Sequence[LoadedSpec], pipeline: Pipeline) -> frozenset[str]:
    """Stages that `dvc repro` would make anew, but for those whose outputs are only not cached."""
    steps = make_plan(root, specs, pipeline).plan.steps
    return frozenset(
        step.name
        for step in steps
        if step.action is Action.FOLLOW or any(r.what is not What.LOST for r in step.reasons)
    )
