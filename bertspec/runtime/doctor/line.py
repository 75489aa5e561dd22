"""One thing that the doctor looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bertspec.core.errors import BertspecError
from bertspec.core.redaction import without_secrets


class State(StrEnum):
    """How it is with a thing."""

    GOOD = "good"
    NOTE = "note"
    """Worth knowing; everything works."""
    WRONG = "wrong"
    """Something does not work, and `help` says what to do about it."""


@dataclass(frozen=True)
class Line:
    """What was found out about one thing. Passwords in what is told are hidden."""

    group: str
    name: str
    state: State
    text: str
    help: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for machines: values of JSON, sizes in bytes; None for what is not known."""

    def __post_init__(self) -> None:
        for name in ("text", "help"):
            object.__setattr__(self, name, without_secrets(getattr(self, name)))


def of_error(group: str, name: str, error: BertspecError, **facts: Any) -> Line:
    """An error that another command would end with, as a line."""
    first = error.diagnostics[0]
    return Line(group, name, State.WRONG, first.message, first.help, facts)
