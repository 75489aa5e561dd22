"""Where the values of a compiled stage's params stand in the specs and in the lock."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from bertspec.compiler.passes.shared import base_name, tokenization_name
from bertspec.compiler.pins import pinned_places, with_pins
from bertspec.core.diagnostics import Position
from bertspec.core.errors import InputError
from bertspec.core.values import ABSENT, bare, dotted, leaves, plain, shown
from bertspec.pipeline.layout import LOCK_FILE
from bertspec.pipeline.lock import read_lock
from bertspec.pipeline.stage import RECORDS
from bertspec.planning.entry import Entry
from bertspec.planning.plan import Reason, What
from bertspec.spec.document import Document, Path_, read_document
from bertspec.spec.load import LoadedSpec

_SECTIONS: Mapping[str, Path_] = {
    "model.task": ("task",),
    "model.head": ("model", "head"),
    "aggregate": ("tokenization", "long_documents", "aggregate"),
}
"""Keys below a spec's own that are not called as in the spec."""

_BUDGETS = ".budgets"
"""End of the key of a tokenization that has something of each spec that shares it."""


class Sources:
    """Explains keys of params.yaml by the specs that they were compiled from."""

    def __init__(self, root: Path, specs: Sequence[LoadedSpec]) -> None:
        self._root = root
        pins = ((loaded.spec.name, list(pinned_places(loaded))) for loaded in specs)
        self._pinned = {name: places for name, places in pins if places}
        lock = read_lock(root) if self._pinned else None  # names of bases are digests of pins, too
        fixed = [with_pins(loaded, lock) for loaded in specs] if lock else specs
        self._specs = sorted(fixed, key=lambda loaded: loaded.spec.name)

    def explain(self, entry: Entry, key: str, old: Any, new: Any) -> Iterator[Reason]:
        """Reasons for a key that a stage reads, and that holds another value than before."""
        if key.startswith(f"{RECORDS}.stages."):
            yield from self.of_record(old, new)
        else:
            for loaded, section, was, now in self.parts(key, old, new):
                yield from self._reasons(loaded, section, was, now)

    def parts(
        self, key: str, old: Any, new: Any
    ) -> Iterator[tuple[LoadedSpec | None, Path_, Any, Any]]:
        """Each spec that a key of params.yaml was compiled from, where it has its part of the
        value, and that part of two values.
        """
        if not key.endswith(_BUDGETS):
            yield *self.place(key), old, new
            return
        old, new = (plain(value) or {} for value in (old, new))
        for name in sorted({*old, *new}):
            loaded = self._by_name.get(name)
            yield loaded, ("tokenization",), old.get(name, {}), new.get(name, {})

    def place(self, key: str) -> tuple[LoadedSpec | None, Path_]:
        """The spec that a key of params.yaml was compiled from, and where it has the value."""
        top, _, rest = key.partition(".")
        name, _, section = rest.partition(".")
        if top == "datasets":
            return self._by_data.get(name), ("data", section)
        if top == "bases":
            return self._by_base.get(name), ("model", "base")
        if top == "tokenizations":
            return self._by_tokenization.get(name), (section,)
        return self._by_name.get(top), _SECTIONS.get(rest) or tuple(rest.split("."))

    def position(self, loaded: LoadedSpec, path: Path_) -> Position:
        """Where a value is written, or where the lock has what holds in its place."""
        for place, in_lock in self._pinned.get(loaded.spec.name, ()):
            is_part = path[: len(place)] == place and path not in loaded.document.marks
            if is_part or path == place:
                return self._of_lock(*in_lock)
        return position_of(loaded.document, path)

    def _reasons(
        self, loaded: LoadedSpec | None, section: Path_, old: Any, new: Any
    ) -> Iterator[Reason]:
        for path, was, now in leaves(old, new):
            field = (*section, *path)
            text = f"{dotted(field)} {shown(was)} -> {shown(now)}"
            position = self.position(loaded, field) if loaded else None
            yield Reason(What.FIELD, text, position, None, field, plain(was), plain(now))

    def of_record(self, old: Any, new: Any) -> Iterator[Reason]:
        """Reasons for what the compiler has fixed: see `StageRecord`."""
        if old is ABSENT:
            return
        for path, was, now in leaves(old, new):
            top, *rest = path
            if top == "params" and was is ABSENT:  # the key itself is told
                continue
            if top == "params":
                loaded, field = self.place(was)
                text = f"{dotted(field)} is no longer set"
                if was.endswith(_BUDGETS):
                    field, text = ("tokenization",), "tokenization has no budget any longer"
                position = self.position(loaded, field) if loaded else None
                yield Reason(What.FIELD, text, position, None, field)
                continue
            yield self._of_part(str(top), str(rest[0]) if rest else "", was, now)

    def _of_part(self, top: str, name: str, was: Any, now: Any) -> Reason:
        """One part of a stage's record."""
        change = f"{bare(was)} -> {bare(now)}"
        if top == "packages":
            text, position = f"{name} {change}", self._of_lock("packages", name)
        elif top in ("threads", "device"):
            text, position = f"{top} {change}", self._of_lock(top)
        elif top == "version":
            text, position = f"version {change} of the stage in bertspec", None
        elif top in ("inputs", "outputs"):
            verb = "reads" if top == "inputs" else "writes"
            if was is ABSENT:
                text = f"{verb} {now}, too"
            else:
                text = f"no longer {verb} {was}" if now is ABSENT else f"{verb} {now}, not {was}"
            position = None
        else:
            text, position = f"{top} {change}", None
        return Reason(What.RECORD, text, position, old=plain(was), new=plain(now))

    def _of_lock(self, *path: str | int) -> Position:
        return position_of(self._lock, path) if self._lock else Position(LOCK_FILE)

    @cached_property
    def _lock(self) -> Document | None:
        return lock_document(self._root)

    @cached_property
    def _by_name(self) -> Mapping[str, LoadedSpec]:
        return {s.spec.name: s for s in self._specs}

    @cached_property
    def _by_data(self) -> Mapping[str, LoadedSpec]:
        return {s.dataset_name: s for s in reversed(self._specs)}

    @cached_property
    def _by_base(self) -> Mapping[str, LoadedSpec]:
        return {base_name(s): s for s in reversed(self._specs)}

    @cached_property
    def _by_tokenization(self) -> Mapping[str, LoadedSpec]:
        return {tokenization_name(s): s for s in reversed(self._specs)}


def lock_document(root: Path) -> Document | None:
    """bertspec.lock with the places of what it says; None where it cannot be read."""
    try:
        return read_document(root / LOCK_FILE, LOCK_FILE)
    except InputError:
        return None


def position_of(document: Document, path: Path_) -> Position:
    """Where a value is written; where it is a default, only the file that could say it."""
    found = document.position(path)
    return found if path in document.marks else Position(found.file)
