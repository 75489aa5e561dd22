"""A new base or tokenization beside the one that it takes the place of: its name is a digest."""

from collections.abc import Iterator, Mapping
from typing import Any

from bertspec.core.values import ABSENT, leaves, value_at
from bertspec.pipeline.layout import PARAMS_FILE
from bertspec.pipeline.stage import RECORDS
from bertspec.planning.entry import Entry, Locked
from bertspec.planning.plan import Reason
from bertspec.planning.sources import Sources

_NAMED_BY_CONTENT = ("base", "tokenize")


def why_new(
    entry: Entry,
    params: Mapping[str, Any],
    locked: Mapping[str, Locked],
    present: Mapping[str, Entry],
    sources: Sources,
) -> Iterator[Reason]:
    """What makes a new stage differ from the most similar one that is gone."""
    stage = entry.compiled
    if stage is None or stage.kind not in _NAMED_BY_CONTENT:
        return
    new = {
        "params": {role: value_at(params, key) for role, key in stage.params.items()},
        "inputs": dict(stage.inputs),
    }
    gone = [_made_from(n, was, stage.kind) for n, was in locked.items() if n not in present]
    former = [made_from for made_from in gone if made_from]
    if not former:
        return
    old = min(former, key=lambda made_from: len(list(leaves(made_from, new))))
    for role, key in stage.params.items():
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
