"""Merge plain values of two sides that began from the same ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from bertspec.core.values import ABSENT
from bertspec.planning.yaml_file import same

Key = tuple[str, ...]


def merge_values(sides: Sequence[Any], conflicts: list[Key], key: Key = ()) -> Any:
    """What the side that changed a value has; mappings are merged key by key. Lists are values, but
    for those of the same kinds of mappings, such as exports.

    `sides` are what both began from, ours and theirs; ABSENT stands for no value. `conflicts` gets
    each key that both changed in different ways; it has our value.
    """
    base, ours, theirs = sides
    if equal(ours, theirs) or equal(base, theirs):
        return ours
    if equal(base, ours):
        return theirs
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        maps = [base if isinstance(base, Mapping) else {}, ours, theirs]
        names = dict.fromkeys([*ours, *theirs])
        merged = {
            name: merge_values(_of(maps, name), conflicts, (*key, str(name))) for name in names
        }
        return {name: value for name, value in merged.items() if value is not ABSENT}
    if (kinds := _kinds(base)) is not None and kinds == _kinds(ours) == _kinds(theirs):
        of_each = zip(base, ours, theirs, strict=True)
        return [merge_values(each, conflicts, (*key, str(n))) for n, each in enumerate(of_each)]
    conflicts.append(key)
    return theirs if ours is ABSENT else ours


def _kinds(value: Any) -> list[Any] | None:
    """What tells the mappings of a list apart, such as exports; None for what is no such list."""
    if not isinstance(value, list):
        return None
    if not all(isinstance(each, Mapping) and "type" in each for each in value):
        return None
    return [(each["type"], each.get("quantize")) for each in value]


def merge_named(
    sides: Sequence[Mapping[str, Any]], conflicts: list[Key], key: Key = ()
) -> dict[str, Any]:
    """As `merge_values` for things with names, of which one that a side took away is gone."""
    base, ours, theirs = sides
    return {
        name: merge_values(_of(sides, name), conflicts, (*key, name))
        for name in dict.fromkeys([*ours, *theirs])
        if name not in base or (name in ours and name in theirs)
    }


def _of(sides: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [side.get(name, ABSENT) for side in sides]


def equal(one: Any, other: Any) -> bool:
    """Whether two values, or none, are the same in YAML."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return same(one, other)
