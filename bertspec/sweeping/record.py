"""What is kept of a sweep, line by line: what was asked for, and how each trial has ended."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bertspec.core.errors import InputError


class State(StrEnum):
    """How a trial has ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    """Stopped early; there is no experiment of it."""
    REJECTED = "rejected"
    """Evaluated, and a bound of `evaluation.require` does not hold: DVC keeps no such experiment.
    """
    FAILED = "failed"
    """Its values cannot be: such as a loss that is no number."""


@dataclass(frozen=True)
class Asked:
    """The values of a trial, which are a function of all that was asked and told before."""

    number: int
    after: int
    """Trials whose end was known: the first so many."""
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a trial has ended."""

    number: int
    state: State
    value: float | None = None
    """The metric on validation rows; of a pruned one the last that was measured."""
    curve: Sequence[float] = ()
    """What a pruner sees: the metric at each measurement."""
    reason: str = ""
    seconds: float = 0.0


@dataclass
class Record:
    """The file of a sweep. A line that was cut off, as by `kill -9`, counts for nothing."""

    path: Path
    begun: Mapping[str, Any] = field(default_factory=dict)
    """What the sweep is: with another one nothing in the file would be true."""
    asked: list[Asked] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """What is there; nothing where there is none. Raises InputError (E238) for a broken one."""
        record = cls(path)
        content = path.read_bytes() if path.is_file() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(path, len(whole))
        try:
            for line in whole.splitlines():
                record._take(json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError.of(
                "E238",
                f"{path.name} of the sweep cannot be read: {error}",
                "`--restart` begins anew; experiments that are there stay until it replaces them",
            ) from None
        return record

    def begin(self, what: Mapping[str, Any]) -> None:
        """Say what the sweep is, as the first line of a new file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write({"begun": what})

    def ask(self, asked: Asked) -> None:
        """Keep what a trial is."""
        self._write({"asked": asdict(asked)})

    def end(self, outcome: Outcome) -> None:
        """Keep how a trial has ended."""
        self._write({"outcome": asdict(outcome)})

    def _write(self, line: Mapping[str, Any]) -> None:
        self._take(line)
        with self.path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _take(self, line: Mapping[str, Any]) -> None:
        match dict(line):
            case {"begun": what}:
                self.begun = what
            case {"asked": asked}:
                self.asked.append(Asked(**asked))
            case {"outcome": outcome}:
                state = State(outcome["state"])
                self.outcomes[outcome["number"]] = Outcome(**outcome | {"state": state})
            case _:
                raise ValueError("a line is none of a sweep")
