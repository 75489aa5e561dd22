"""Merge what is compiled in params.yaml: records of stages, and the values that they read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertspec.core.values import ABSENT
from bertspec.merging.derived import derive_execution, derive_records
from bertspec.merging.naming import merged_names
from bertspec.merging.sharing import Shared, Told, put_together, shared_by, shown, taken_apart
from bertspec.merging.stages import Node, disagreeing, needed
from bertspec.merging.values import Key, merge_named, merge_values
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.pipeline.layout import LOCK_FILE
from bertspec.pipeline.params.execution import Execution
from bertspec.pipeline.stage import EXECUTION, HARDWARE, RECORDS

_SHARED = ("bases", "datasets", "tokenizations")

Params = Mapping[str, Any]


def merge_params(
    base: Params, ours: Params, theirs: Params
) -> tuple[dict[str, Any], list[Key], Told]:
    """The compiled keys of both sides together, the keys that cannot be told, and what the merge of
    dvc.yaml needs to know.
    """
    sides = (base, ours, theirs)
    shared = [shared_by(_nodes(_records(side))) for side in sides]
    apart = [_taken_apart(side, of) for side, of in zip(sides, shared, strict=True)]
    merged, conflicts = _merged(apart)
    specs = shared_by(_nodes(_records(merged)))
    places, names = merged_names(specs, merged, apart, shared, conflicts)
    together = _put_together(merged, places, conflicts)
    budgets = [spec for of in together["tokenizations"].values() for spec in of.get("budgets", ())]
    told = Told(names, shared, tuple(budgets))
    return together, [*map(shown, conflicts)], told


def _taken_apart(side: Params, shared: Mapping[str, Shared]) -> dict[str, Any]:
    """With a base and a tokenization of each spec's own."""
    stages = taken_apart(_records(side), shared)
    bases, tokenizations = {}, {}
    for spec, of in shared.items():
        own = Shared.own(spec)
        bases[own.base_name] = side["bases"][of.base_name]
        values = dict(side["tokenizations"][of.tokenization_name])
        budgets = values.pop("budgets", {})
        if spec in budgets:
            values["budgets"] = {spec: budgets[spec]}
        tokenizations[own.tokenization_name] = values
        record = stages[own.stages[1]]
        reads = {role: key for role, key in record["params"].items() if role in values}
        stages[own.stages[1]] = {**record, "params": reads}
    about = {**(side.get(RECORDS) or {}), "stages": stages}
    return {**side, RECORDS: about, "bases": bases, "tokenizations": tokenizations}


def _put_together(
    merged: Params, places: Mapping[str, Shared], conflicts: list[Key]
) -> dict[str, Any]:
    """With what specs share once, by its name."""
    stages = put_together(_records(merged), places, conflicts)
    bases: dict[str, Any] = {}
    tokenizations: dict[str, Any] = {}
    for spec, of in sorted(places.items()):
        own = Shared.own(spec)
        bases[of.base_name] = merged["bases"][own.base_name]
        values = merged["tokenizations"][own.tokenization_name]
        before = tokenizations.get(of.tokenization_name, {})
        both = before.get("budgets", {}) | values.get("budgets", {})
        tokenizations[of.tokenization_name] = values | ({"budgets": both} if both else {})
    about = merged[RECORDS] | {"stages": dict(sorted(stages.items()))}
    return {
        **merged,
        RECORDS: about,
        "bases": dict(sorted(bases.items())),
        "tokenizations": dict(sorted(tokenizations.items())),
    }


def _merged(sides: Sequence[Params]) -> tuple[dict[str, Any], list[Key]]:
    """As `merge_params`, with nothing shared but data sets."""
    conflicts: list[Key] = []
    facts = merge_values([_facts(_records(side)) for side in sides], conflicts, (LOCK_FILE,))
    records = [{n: _with(facts, r) for n, r in _records(side).items()} for side in sides]
    merged = merge_named(records, conflicts, (RECORDS, "stages"))
    either = {**records[2], **records[1]}
    known = {**either, **merged}
    names = needed(_nodes(merged), _nodes(either))
    stages = {name: known[name] for name in names}
    derive_records(stages)
    conflicts += disagreeing(_nodes(stages))
    about: dict[str, Any] = {"compiled": [], "stages": dict(sorted(stages.items()))}
    abouts = [side.get(RECORDS) or {} for side in sides]
    # Where it is the default, it is not written.
    usual = Execution().model_dump(mode="json")
    runs = [
        {n: (a.get(EXECUTION) or {}).get(n, usual) for n in a.get("stages") or {}} for a in abouts
    ]
    execution = derive_execution(merge_named(runs, conflicts, (EXECUTION,)), stages)
    if kept := {name: value for name, value in execution.items() if value != usual}:
        about[EXECUTION] = kept
    hardware = merge_values([a.get(HARDWARE, ABSENT) for a in abouts], conflicts, (HARDWARE,))
    if hardware is not ABSENT:
        about[HARDWARE] = hardware
    own = _values(sides, stages, conflicts)
    about["compiled"] = [RECORDS, *sorted(own)]
    return {RECORDS: about, **dict(sorted(own.items()))}, conflicts


def _values(
    sides: Sequence[Params], stages: Mapping[str, Any], conflicts: list[Key]
) -> dict[str, Any]:
    """The keys that the stages read, each from the sides that have it."""
    own: dict[str, Any] = {key: {} for key in _SHARED}
    read = {
        tuple(key.split(".")) for record in stages.values() for key in record["params"].values()
    }
    for group in _SHARED:
        groups = [side.get(group) or {} for side in sides]
        merged = merge_named(groups, conflicts, (group,))
        names = sorted({key[1] for key in read if key[0] == group})
        known = {**groups[2], **groups[1], **merged}
        own[group] = {name: known[name] for name in names if name in known}
    specs = {key[0] for key in read} - {*_SHARED}
    for spec in specs:
        values = [side.get(spec, ABSENT) for side in sides]
        own[spec] = merge_values(values, conflicts, (spec,))
    gone = {*sides[1], *sides[2]} - specs - {RECORDS, *_SHARED}
    # Which of a spec that one side took away and the other changed is to be, its file tells.
    conflicts += [
        (spec,)
        for spec in sorted(gone & sides[0].keys())
        if any(spec in side and side[spec] != sides[0][spec] for side in sides[1:])
    ]
    return own


def _records(side: Params) -> Mapping[str, Any]:
    return (side.get(RECORDS) or {}).get("stages") or {}


def _nodes(records: Mapping[str, Any]) -> list[Node]:
    return [
        Node(name, record["inputs"], list(record["outputs"].values()))
        for name, record in records.items()
    ]


def _facts(records: Mapping[str, Any]) -> dict[str, Any]:
    """What the lock, and this version of bertspec, say to every record."""
    facts: dict[str, Any] = {"packages": {}, "version": {}}
    for record in records.values():
        facts["packages"] |= record["packages"]
        facts["version"][record["kind"]] = record["version"]
        facts |= {key: record[key] for key in ("threads", "device") if key in record}
    return facts


def _with(facts: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with what is merged, so that a stage of one side has the other's new lock."""
    return dict(_changed(facts, record))


def _changed(facts: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    kind = STAGE_KINDS.get(record["kind"])
    for key, value in record.items():
        if key == "packages":
            yield key, {name: facts[key].get(name, old) for name, old in value.items()}
        elif key == "version":
            yield key, facts[key].get(record["kind"], value)
        elif key == "threads":
            yield key, facts.get(key, value)
        elif key != "device":
            yield key, value
    if kind and kind.on_device and "device" in facts:
        yield "device", facts["device"]
