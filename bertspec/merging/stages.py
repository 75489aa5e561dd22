"""Which stages two sides need together."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bertspec.merging.values import Key
from bertspec.pipeline.kinds import STAGE_KINDS

_SHARED = ("fetch", "prepare", "contract", "base", "tokenize")
"""Kinds of stages that a spec has because it reads what they make."""

_NAME = re.compile(rf"^(.+)-({'|'.join(STAGE_KINDS)})(?:-seed([0-9]+))?$")


@dataclass(frozen=True)
class Node:
    """A stage: what it reads by role, or by path where there are no roles, and what it makes."""

    name: str
    reads: Mapping[str, str]
    makes: Sequence[str]

    @property
    def kind(self) -> str:
        return parts_of(self.name)[1]

    @property
    def owner(self) -> str:
        return owner_of(self.name)


def owner_of(stage: str) -> str:
    """The spec or what is shared: the stage's name begins with it."""
    return parts_of(stage)[0]


def parts_of(stage: str) -> tuple[str, str, int | None]:
    """The owner that a stage's name begins with, the kind, and the seed, if it is a further one."""
    found = _NAME.match(stage)
    if not found:
        return stage, "", None
    return found[1], found[2], int(found[3]) if found[3] else None


def needed(merged: Iterable[Node], sides: Iterable[Node]) -> list[str]:
    """Names of the stages of specs, and of all that make what they read.

    A shared stage that one side took away is needed again where the other side has begun to read
    it; one that each side still has for a spec that the other took away is needed no more. `sides`
    are all stages that either side has.
    """
    known = {node.name: node for node in [*sides, *merged]}
    makers = {path: node.name for node in known.values() for path in node.makes}
    waiting = [node.name for node in merged if node.kind not in _SHARED]
    found = dict.fromkeys(waiting)
    while waiting:
        for path in known[waiting.pop()].reads.values():
            maker = makers.get(path)
            if maker is not None and known[maker].kind in _SHARED and maker not in found:
                found[maker] = None
                waiting.append(maker)
    return list(found)


def disagreeing(nodes: Iterable[Node]) -> list[Key]:
    """Specs whose stages do not read the same: one side added a stage, the other renamed its input.

    Each is the spec and the role.
    """
    read: dict[tuple[str, str], set[str]] = {}
    for node in nodes:
        for role, path in node.reads.items():
            if not path.startswith(f"models/{node.owner}/"):  # a further seed has places of its own
                read.setdefault((node.owner, role), set()).add(path)
    return [key for key, paths in read.items() if len(paths) > 1]
