"""A new base or tokenization beside the one that it takes the place of: its name is a digest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bertspec.core.values import ABSENT, leaves, value_at
from bertspec.pipeline.layout import PARAMS_FILE
from bertspec.pipeline.stage import RECORDS
from bertspec.planning.entry import Entry, Locked
from bertspec.planning.plan import Reason
from bertspec.planning.sources import Sources

_NAMED_BY_CONTENT = ("base", "tokenize")


@dataclass(frozen=True)
class Former:
    """The stage that a new one takes the place of."""

    name: str
    made_from: Mapping[str, Any]
    """Its params and inputs by role."""
    instead: Mapping[str, Any]
    """Those of the new one."""


def find_former(
    entry: Entry,
    params: Mapping[str, Any],
    locked: Mapping[str, Locked],
    present: Mapping[str, Entry],
) -> Former | None:
    """The most similar stage that is gone, for a new one that is named by its content."""
    stage = entry.compiled
    if stage is None or stage.kind not in _NAMED_BY_CONTENT:
        return None
    new = {
        "params": {role: value_at(params, key) for role, key in stage.params.items()},
        "inputs": dict(stage.inputs),
    }
    gone = ((n, _made_from(n, was, stage.kind)) for n, was in locked.items() if n not in present)
    former = [Former(name, made_from, new) for name, made_from in gone if made_from]
    return min(former, key=lambda f: len(list(leaves(f.made_from, new))), default=None)


def why_new(entry: Entry, former: Former, sources: Sources) -> Iterator[Reason]:
    """What makes a new stage differ from the one that it takes the place of."""
    old, new = former.made_from, former.instead
    for role, key in entry.compiled.params.items() if entry.compiled else ():
        before = old["params"].get(role, ABSENT)
        if before != new["params"][role]:
            yield from sources.explain(entry, key, before, new["params"][role])
    yield from sources.of_record({"inputs": old["inputs"]}, {"inputs": new["inputs"]})


def _made_from(name: str, locked: Locked, kind: str) -> dict[str, Any]:
    """Params and inputs by role, of a stage of this kind; of another one nothing."""
    params = locked.params.get(PARAMS_FILE) or {}
    record = params.get(f"{RECORDS}.stages.{name}")
    if not isinstance(record, dict) or record.get("kind") != kind:
        return {}
    keys = record.get("params") or {}
    return {
        "params": {role: params.get(key, ABSENT) for role, key in keys.items()},
        "inputs": record.get("inputs") or {},
    }
