"""What a plan says: which stages would run, why, and how long that took before."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bertspec.core.diagnostics import Position


class Action(StrEnum):
    """What `dvc repro` does with a stage when its turn comes."""

    RUN = "run"
    RESTORE = "restore"
    """Its outputs are taken from the run cache."""
    PULL = "pull"
    """The same, with `dvc repro --pull`: from a remote that was to be looked into."""
    FOLLOW = "follow"
    """It runs if what it reads has changed by then, which nobody can know before."""


class What(StrEnum):
    """What has changed."""

    NEW = "new"
    COMMAND = "command"
    FIELD = "field"
    """Of a spec, or in params.yaml for a stage of the user's own."""
    RECORD = "record"
    """What the compiler has fixed for the stage: versions, threads, device, paths."""
    INPUT = "input"
    OUTPUT = "output"
    LOST = "lost"
    """An output that is not there, or not in the cache."""
    ALWAYS = "always"
    """DVC runs the stage each time."""


@dataclass(frozen=True)
class Reason:
    """One thing that makes a stage run."""

    what: What
    text: str
    position: Position | None = None
    path: str | None = None
    """Of an input or an output."""
    field: tuple[str | int, ...] = ()
    """Of a spec, for FIELD of a compiled stage."""
    old: Any = None
    new: Any = None


@dataclass(frozen=True)
class Step:
    """A stage with which something happens."""

    name: str
    action: Action
    is_new: bool
    """`dvc repro` has never made it."""
    reasons: tuple[Reason, ...]
    follows: tuple[str, ...]
    """Stages before it whose new outputs it reads."""
    seconds: float | None
    """What its last run took here, or that of the stage whose place a new one takes; None where
    there was none."""


@dataclass(frozen=True)
class Plan:
    """All that would happen, in an order in which it can."""

    steps: tuple[Step, ...]
    total: int
    """Stages of dvc.yaml."""
    gone: tuple[str, ...]
    """Compiled stages that are in dvc.yaml, and no longer in the specs."""
    dry: tuple[str, ...]
    """Stages that differ from dvc.lock as the files are now. `dvc repro --dry` names them up to
    the first whose input is not there; it does not tell what follows, nor what is put back."""
    stale: tuple[str, ...]
    """Files that `bertspec compile` would write."""
    notes: tuple[str, ...]

    def of(self, action: Action) -> Sequence[Step]:
        return [step for step in self.steps if step.action is action]
