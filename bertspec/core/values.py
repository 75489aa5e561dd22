"""Nested values, as YAML and JSON have them: what a path holds, where two differ, as text."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bertspec.core.terminal import shortened

Place = tuple[str | int, ...]
"""Keys and indices from a value to one in it."""

Leaf = tuple[Place, Any, Any]
"""Where, and the values of before and after."""


class _Absent:
    def __repr__(self) -> str:
        return "not set"


ABSENT: Final = _Absent()
"""The value of what is not there."""


def value_at(values: Any, key: str | Place) -> Any:
    """What a dotted key, or a path, holds, or ABSENT."""
    for part in key.split(".") if isinstance(key, str) else key:
        if isinstance(values, Mapping) and part in values:
            values = values[part]
        elif isinstance(values, list) and str(part).isdecimal() and int(part) < len(values):
            values = values[int(part)]
        else:
            return ABSENT
    return values


def leaves(old: Any, new: Any, path: Place = ()) -> Iterator[Leaf]:
    """The smallest parts that differ, where `1`, `1.0` and `true` are three values.

    Of another kind of a union only `type` is told. Lists of other lengths are one part.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.get("type") != new.get("type") and "type" in old and "type" in new:
            yield (*path, "type"), old["type"], new["type"]
            return
        for key in [*new, *(k for k in old if k not in new)]:
            yield from leaves(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from leaves(before, after, (*path, index))
    elif type(old) is not type(new) or old != new:
        yield path, old, new


def flat(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The values in a value, with where they are; a list of plain values is one."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, (*path, key))
    elif isinstance(value, list) and any(isinstance(inner, Mapping | list) for inner in value):
        for index, inner in enumerate(value):
            yield from flat(inner, (*path, index))
    else:
        yield path, value


def dotted(path: Place) -> str:
    """A path as people write it: `export[0].type`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: Any) -> str:
    """A value in a line of text."""
    if value is ABSENT:
        return str(ABSENT)
    return shortened(json.dumps(value, ensure_ascii=False, default=str))


def bare(value: Any) -> str:
    """A value in a line of text, which says itself what it is, such as a version."""
    return value if isinstance(value, str) else shown(value)


def plain(value: Any) -> Any:
    """A value for JSON: null for what is not there."""
    return None if value is ABSENT else value
