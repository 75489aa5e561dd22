"""Merge the compiled stages of dvc.yaml."""

from collections.abc import Mapping
from typing import Any

from bertspec.merging.stages import Node, needed
from bertspec.merging.values import Key, merge_named

_PATHS = ("deps", "params", "outs", "metrics", "plots")
"""Lists of paths or keys, sorted, of which some have properties."""

Stages = Mapping[str, Any]


def merge_stages(base: Stages, ours: Stages, theirs: Stages) -> tuple[dict[str, Any], list[Key]]:
    """The compiled stages of both sides together, and what of them cannot be told.

    Lists of paths are merged as sets are. Each stage is in the order of the first side that has it.
    """
    conflicts: list[Key] = []
    sides = [
        {name: _unfolded(stage) for name, stage in side.items()} for side in (base, ours, theirs)
    ]
    merged = merge_named(sides, conflicts)
    either = {**sides[2], **sides[1]}
    known = {**either, **merged}
    names = set(needed(_nodes(merged), _nodes(either)))
    for key in [key for key in conflicts if key[1:] == ("desc",)]:
        # Both sides added a spec that shares the stage: it is told to be of the first by name.
        conflicts.remove(key)
        known[key[0]]["desc"] = min(side[key[0]]["desc"] for side in (ours, theirs))
    return {n: _folded(known[n]) for n in _in_order(ours, theirs) if n in names}, conflicts


def _in_order(ours: Stages, theirs: Stages) -> list[str]:
    """Our stages, and each that only they have behind the one that it follows there."""
    order = list(ours)
    before = ""
    for name in theirs:
        if name not in order:
            order.insert(order.index(before) + 1 if before else 0, name)
        before = name
    return order


def _unfolded(stage: Mapping[str, Any]) -> dict[str, Any]:
    """With a mapping in place of each list, for merging."""
    lists = {key: dict(map(_entry, stage[key])) for key in _PATHS if key in stage}
    return {**stage, **lists}


def _entry(value: Any) -> tuple[str, Any]:
    return next(iter(value.items())) if isinstance(value, dict) else (value, None)


def _folded(stage: Mapping[str, Any]) -> dict[str, Any]:
    lists = {
        key: [
            path if about is None else {path: about} for path, about in sorted(stage[key].items())
        ]
        for key in _PATHS
        if stage.get(key)
    }
    return {
        key: lists.get(key, value) for key, value in stage.items() if value or key not in _PATHS
    }


def _nodes(stages: Mapping[str, Any]) -> list[Node]:
    return [
        Node(
            name,
            {path: path for path in stage.get("deps", ())},
            [path for key in ("outs", "metrics", "plots") for path in stage.get(key, ())],
        )
        for name, stage in stages.items()
    ]
