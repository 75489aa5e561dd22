"""The project: its specs, its lock, and whether the compiled files are what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bertspec.core.diagnostics import Severity
from bertspec.core.errors import InputError
from bertspec.core.packages import available_cores
from bertspec.pipeline.layout import LOCK_FILE
from bertspec.pipeline.lock import Lock, read_lock
from bertspec.runtime.doctor.line import Line, State, of_error
from bertspec.spec.load import Loaded


@dataclass(frozen=True)
class Project:
    """A project as far as its specs and its lock can be read, or a folder that is none."""

    is_one: bool
    lock: Lock | None = None
    packages: Sequence[str] = ()
    """Distributions that its stages use."""
    precisions: Mapping[str, str] = field(default_factory=dict)
    """`training.precision` of each valid spec, by its name."""
    lines: Sequence[Line] = ()
    """What has been found out about specs, lock and compiled files."""

    @property
    def threads(self) -> int:
        """Those of the lock, else those that `bertspec lock` would write."""
        return self.lock.threads if self.lock else available_cores()

    def device(self, *, gpu: bool) -> str:
        """That of the lock, else the one that `bertspec lock` would write."""
        if self.lock:
            return self.lock.device
        return "cuda" if gpu else "cpu"


def no_project() -> Project:
    """For a folder with neither specs nor a lock."""
    text, advice = "there is none in this folder", "`bertspec init` begins one"
    return Project(is_one=False, lines=[Line("project", "project", State.NOTE, text, advice)])


def of_specs(loaded: Loaded) -> Line:
    """Whether the specs are valid."""
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    facts = {"files": len(loaded.files), "errors": len(errors)}
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        text = f"{errors[0].message}{more}"
        advice = "`bertspec validate` shows what is wrong, and where"
        return Line("project", "specs", State.WRONG, text, advice, facts)
    files = f"{len(loaded.files)} file{'s' if len(loaded.files) != 1 else ''}"
    return Line("project", "specs", State.GOOD, f"{files}, valid", facts=facts)


def of_lock(root: Path) -> tuple[Lock | None, Line]:
    """The lock, if there is one that can be read, and the line on it."""
    try:
        lock = read_lock(root)
    except InputError as error:
        return None, of_error("project", LOCK_FILE, error, valid=False)
    facts = {"valid": lock is not None}
    if lock is None:
        text, advice = "there is none, so nothing can be compiled", "run `bertspec lock`"
        return None, Line("project", LOCK_FILE, State.WRONG, text, advice, facts)
    return lock, Line(
        "project", LOCK_FILE, State.GOOD, f"packages: {len(lock.packages)}", facts=facts
    )


def of_compiled(old: Mapping[str, str | None], new: Mapping[str, str]) -> Line:
    """Whether the files are what compiling gives; `old` is None for one that is missing."""
    stale = [name for name in new if new[name] != old[name]]
    facts = {"stale": stale}
    if not stale:
        text = f"{' and '.join(new)} are what the specs and the lock say"
        return Line("project", "compiled", State.GOOD, text, facts=facts)
    told = [f"{n} is {'missing' if old[n] is None else 'not what the specs say'}" for n in stale]
    return Line(
        "project", "compiled", State.WRONG, ", ".join(told), "run `bertspec compile`", facts
    )
