"""In what a stage differs from dvc.lock as the files are now: what DVC looks at, in its order."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bertspec.core.values import ABSENT, leaves, plain, shown, value_at
from bertspec.pipeline.layout import PARAMS_FILE
from bertspec.planning.entry import Entry, Locked, Out
from bertspec.planning.hashes import Hashes
from bertspec.planning.plan import Reason, What
from bertspec.planning.store import Store
from bertspec.planning.yaml_file import read_mapping

Explain = Callable[[Entry, str, Any, Any], Iterator[Reason]]
"""Reasons for a key of params.yaml that holds another value, for a compiled stage."""


class Differences:
    """Compares stages with what dvc.lock has of them."""

    def __init__(
        self, root: Path, params: Mapping[str, Any], hashes: Hashes, store: Store, explain: Explain
    ) -> None:
        self._root = root
        self._files: dict[str, Mapping[str, Any]] = {PARAMS_FILE: params}
        self._hashes = hashes
        self._store = store
        self._explain = explain

    def of(self, entry: Entry, locked: Locked) -> Iterator[Reason]:
        """All that differs, but for inputs: see `input_reason`. For a stage that is not frozen."""
        if entry.runs_always:
            yield Reason(What.ALWAYS, "runs each time, as dvc.yaml says")
        if entry.cmd != locked.cmd:
            yield Reason(What.COMMAND, "its command", old=locked.cmd, new=entry.cmd)
        for file, keys in entry.params.items():
            yield from self._of_params(entry, file, keys, locked.params.get(file))
        for out in entry.outs:
            yield from self._of_output(entry, out, locked.outs.get(out.path))

    def values(self, entry: Entry) -> dict[str, dict[str, Any]]:
        """What its params hold now, by file and key."""
        found = {}
        for file, keys in entry.params.items():
            content = self._content(entry.place(file))
            chosen = {key: value_at(content, key) for key in keys or content}
            found[file] = {k: v for k, v in sorted(chosen.items()) if v is not ABSENT}
        return found

    def _of_params(
        self, entry: Entry, file: str, keys: tuple[str, ...], locked: Mapping[str, Any] | None
    ) -> Iterator[Reason]:
        content = self._content(entry.place(file))
        before = locked or {}
        for key in keys or dict.fromkeys([*content, *before]):
            old = before.get(key, ABSENT)
            new = value_at(content, key) if keys else content.get(key, ABSENT)
            if old is not ABSENT and new is not ABSENT and old == new:
                continue
            if entry.compiled:
                told = list(self._explain(entry, key, old, new))
                yield from told or [Reason(What.FIELD, f"{file} {key} changed", path=file)]
                continue
            for path, was, now in leaves(old, new):
                name = ".".join(map(str, (key, *path)))
                yield Reason(
                    What.FIELD, f"{file} {name} {shown(was)} -> {shown(now)}",
                    path=entry.place(file), field=(name,), old=plain(was), new=plain(now),
                )  # fmt: skip
        if not keys and locked is None and not content:
            yield Reason(What.FIELD, f"{file} is not there", path=entry.place(file))

    def _of_output(self, entry: Entry, out: Out, locked: str | None) -> Iterator[Reason]:
        place = entry.place(out.path)
        here = self._hashes.of(place)
        if locked and out.cached and not self._store.holds(locked):
            there = "" if here == locked else " nor here"
            yield Reason(What.LOST, f"{place} is not in DVC's cache{there}", path=place)
        elif here is None:
            yield Reason(What.LOST, f"{place} is missing", path=place)
        elif here != locked:
            yield Reason(What.OUTPUT, f"{place} was changed", path=place)

    def _content(self, place: str) -> Mapping[str, Any]:
        if place not in self._files:
            advice = "put it right; a stage of dvc.yaml reads its params"
            self._files[place] = read_mapping(self._root, place, "E218", advice)
        return self._files[place]
