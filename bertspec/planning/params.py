"""Values of params: what a stage's keys hold, and in which leaves two values differ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

Leaf = tuple[tuple[str | int, ...], Any, Any]
"""Where below a key, and the values of before and after."""

_SHOWN = 48


class _Absent:
    def __repr__(self) -> str:
        return "not set"


ABSENT: Final = _Absent()
"""The value of what is not there."""


def value_at(values: Any, key: str) -> Any:
    """What a dotted key holds, or ABSENT."""
    for part in key.split("."):
        if isinstance(values, Mapping) and part in values:
            values = values[part]
        elif isinstance(values, list) and part.isdecimal() and int(part) < len(values):
            values = values[int(part)]
        else:
            return ABSENT
    return values


def leaves(old: Any, new: Any, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    """The smallest parts that differ. Of another kind of a union only `type` is told."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.get("type") != new.get("type") and "type" in old and "type" in new:
            yield (*path, "type"), old["type"], new["type"]
            return
        for key in [*new, *(k for k in old if k not in new)]:
            yield from leaves(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from leaves(before, after, (*path, index))
    else:
        yield path, old, new


def shown(value: Any) -> str:
    """A value in a line of text."""
    if value is ABSENT:
        return str(ABSENT)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def plain(value: Any) -> Any:
    """A value for JSON: null for what is not there."""
    return None if value is ABSENT else value
