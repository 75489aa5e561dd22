"""Fields of a spec that hold other values: those that change results, and those that do not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bertspec.core.diagnostics import Position
from bertspec.core.model import affected_by
from bertspec.core.values import Place, leaves
from bertspec.diffing.side import Side
from bertspec.pipeline.kinds import STAGE_KINDS


@dataclass(frozen=True)
class FieldChange:
    """A field, before and after."""

    path: Place
    old: Any
    new: Any
    """ABSENT for what is not there, such as the option of another kind."""
    stages: tuple[str, ...]
    """Kinds of stage that run again, and with them all that follow; none rebuilds nothing."""
    old_position: Position | None
    new_position: Position | None


def field_changes(old: Side, name: str, new: Side, other: str) -> Iterator[FieldChange]:
    """What differs between two specs with what their locks fix, every default written out.

    What is written in another way and compiles to the same, such as the commit in place of a branch
    that the lock has it for, changes no result.
    """
    one, two = old.spec(name), new.spec(other)
    told = []
    for path, was, now in leaves(one.values, two.values):
        told.append(path)
        affected = affected_by(one.pinned, path) | affected_by(two.pinned, path)
        stages = tuple(kind for kind in STAGE_KINDS if kind in affected)
        places = (old.position(name, path), new.position(other, path))
        yield FieldChange(path, was, now, stages, *places)
    for path, was, now in leaves(one.written, two.written):
        if not any(path[: len(p)] == p[: len(path)] for p in told):
            places = (old.in_spec(name, path), new.in_spec(other, path))
            yield FieldChange(path, was, now, (), *places)
