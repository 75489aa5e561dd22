"""What the locks fix beside what specs leave open, and versions of stages: where they differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bertspec.core.diagnostics import Position
from bertspec.core.values import Place, dotted, leaves
from bertspec.diffing.side import Side
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.pipeline.stage import HARDWARE, StageRecord

OF_SPECS = ("train", "evaluate", "seeds", "export", "report")
"""Kinds of stage that a spec has for itself. Others are shared, and named otherwise."""


@dataclass(frozen=True)
class LockedChange:
    """One entry."""

    what: str
    """`package`, `threads`, `device`, `version` of a stage, or `hardware`."""
    name: str
    old: Any
    new: Any
    stages: tuple[str, ...]
    """Kinds of stage that run again; none for the class of machines, which rebuilds nothing."""
    old_position: Position | None
    new_position: Position | None


def locked_changes(old: Side, name: str, new: Side, other: str) -> Iterator[LockedChange]:
    """Entries that both sides have of stages of these specs, and that differ.

    A package or stage that only one side has is there because of a field.
    """
    one, two = stages_of(old.records, name), stages_of(new.records, other)
    found: dict[tuple[str, str, Any, Any], list[str]] = {}
    path: Place
    for kind in STAGE_KINDS:
        if kind in one and kind in two:
            for changed in _of_stage(kind, one[kind], two[kind]):
                found.setdefault(changed, []).append(kind)
    for (what, entry, was, now), kinds in found.items():
        path = ("packages", entry) if what == "package" else (what,)
        places = [None if what == "version" else side.in_lock(path) for side in (old, new)]
        yield LockedChange(what, entry, was, now, tuple(kinds), *places)
    if old.hardware and new.hardware:
        for inner, was, now in leaves(old.hardware, new.hardware):
            path = (HARDWARE, *inner)
            places = [side.in_lock(path) for side in (old, new)]
            yield LockedChange(HARDWARE, dotted(path), was, now, (), *places)


def _of_stage(kind: str, old: StageRecord, new: StageRecord) -> Iterator[tuple[str, str, Any, Any]]:
    if old.version != new.version:
        yield "version", kind, old.version, new.version
    if old.threads != new.threads and old.threads and new.threads:
        yield "threads", "threads", old.threads, new.threads
    if old.device != new.device:
        yield "device", "device", old.device or "cpu", new.device or "cpu"
    for package in sorted(old.packages.keys() & new.packages.keys()):
        if old.packages[package] != new.packages[package]:
            yield "package", package, old.packages[package], new.packages[package]


def stages_of(records: Mapping[str, StageRecord], spec: str) -> dict[str, StageRecord]:
    """By kind the stages of a spec, and those before them; not the models of others that it needs,
    nor its further seeds.
    """
    makers = {path: name for name, r in records.items() for path in r.outputs.values()}
    waiting = [f"{spec}-{kind}" for kind in OF_SPECS if f"{spec}-{kind}" in records]
    found: dict[str, StageRecord] = {}
    while waiting:
        record = records[waiting.pop()]
        if record.seed is None:
            found.setdefault(record.kind, record)
        for path in record.inputs.values():
            maker = makers.get(path)
            if maker and records[maker].kind not in (*OF_SPECS, *found):
                waiting.append(maker)
    return found
