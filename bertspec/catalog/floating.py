"""What a spec leaves open and the lock fixes: a branch of the hub, a file without its digest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Floating:
    """One thing that may be another tomorrow."""

    section: Literal["hub", "files"]
    """Of the lock."""
    name: str
    """Its key there, such as `models/acme/tiny@main`, or an address."""
    path: tuple[str | int, ...]
    """Where it stands in its source or base."""
    ask: Callable[[Path], str]
    """What it is today. The argument is the project's folder; this is what needs the network."""


def refuse_floating(found: Sequence[Floating]) -> None:
    """Raise PydanticCustomError for params of a stage that leave something open."""
    if found:
        raise PydanticCustomError(
            "floating", "`{name}` may be another tomorrow", {"name": found[0].name}
        )
