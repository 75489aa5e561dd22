"""Merge the compiled stages of dvc.yaml."""

from collections.abc import Iterator, Mapping
from typing import Any

from bertspec.merging.derived import derive_stages
from bertspec.merging.sharing import (
    Shared,
    Sides,
    Told,
    merged_paths,
    put_together,
    shared_by,
    shown,
    taken_apart,
)
from bertspec.merging.stages import Node, needed
from bertspec.merging.values import Key, merge_named

_PATHS = ("deps", "params", "outs", "metrics", "plots")
"""Lists of paths or keys, sorted, of which some have properties."""

Stages = Mapping[str, Any]


def merge_stages(
    base: Stages, ours: Stages, theirs: Stages, told: Told
) -> tuple[dict[str, Any], list[Key]]:
    """The compiled stages of both sides together, and what of them cannot be told.

    Lists of paths are merged as sets are. Each stage is in the order of the first side that has it.
    `told` is by the merge of params.yaml.
    """
    conflicts: list[Key] = []
    unfolded = [{n: _unfolded(s) for n, s in side.items()} for side in (base, ours, theirs)]
    shared = [shared_by(_nodes(side)) for side in unfolded]
    sides = [taken_apart(side, of) for side, of in zip(unfolded, shared, strict=True)]
    merged = merge_named(sides, conflicts)
    either = {**sides[2], **sides[1]}
    known = {**either, **merged}
    needs = set(needed(_nodes(merged), _nodes(either)))
    for key in [key for key in conflicts if key[1:] == ("desc",)]:
        # Both sides added a spec that shares the stage: it is told to be of the first by name.
        conflicts.remove(key)
        known[key[0]]["desc"] = min(side[key[0]]["desc"] for side in sides[1:])
    stages = {name: known[name] for name in _in_order(*sides[1:]) if name in needs}
    derive_stages(stages)
    places = {}
    for spec in shared_by(_nodes(stages)):
        places[spec], sure = merged_paths(spec, shared, told.names)
        if not sure:
            conflicts.append((f"{spec}-train", "deps"))
    conflicts += _unknown_budgets(stages, sides[0], shared, places, told)
    together = put_together(stages, places, conflicts)
    return {name: _folded(stage) for name, stage in together.items()}, [*map(shown, conflicts)]


def _unknown_budgets(
    stages: dict[str, Any], base: Stages, shared: Sides, places: Mapping[str, Shared], told: Told
) -> Iterator[Key]:
    """Set which of the specs that shared a tokenization, and do no more, have budgets.

    Of a shared one, dvc.yaml does not say which. Where nobody does, it is a conflict.
    """
    for spec in _parted(shared, places):
        name = Shared.own(spec).stages[1]
        key = f"tokenizations.{Shared.own(spec).tokenization_name}.budgets"
        params = {k: v for k, v in stages[name]["params"].items() if k != key}
        if told.sides == shared:
            budgets = {key: None} if spec in told.budgets else {}
            stages[name] = {**stages[name], "params": {**params, **budgets}}
        elif (key in stages[name]["params"]) != (key in base.get(name, {"params": ()})["params"]):
            yield name, "params"


def _parted(sides: Sides, places: Mapping[str, Shared]) -> Iterator[str]:
    """Specs with another tokenization in the end than one with which they shared it on a side."""
    ends: dict[tuple[int, str], set[str]] = {}
    for number, side in enumerate(sides):
        for spec, of in side.items():
            if spec in places:
                ends.setdefault((number, of.tokenized), set()).add(places[spec].tokenized)
    for spec in places:
        before = [(n, side[spec].tokenized) for n, side in enumerate(sides) if spec in side]
        if any(len(ends[each]) > 1 for each in before):
            yield spec


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
