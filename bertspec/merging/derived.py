"""Stages that follow from others of their spec, as the compiler has them, and so from both sides.

One side may add the stage that the other would have changed: further seeds train as the spec's own
model does, and windows of a text become one in all stages that look at whole texts.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bertspec.compiler.emit import KEPT
from bertspec.merging.stages import parts_of
from bertspec.pipeline.layout import COMMAND, of_seed
from bertspec.pipeline.stage import RECORDS

Stages = dict[str, Any]
"""Records of params.yaml or stages of dvc.yaml, by name."""

_JOINED = "aggregate"
"""How windows of a text become one."""


def derive_records(records: Stages) -> None:
    """Put right what follows from other records."""
    for name, evaluate in _joining(records):
        found = {key: at for key, at in evaluate["params"].items() if key == _JOINED}
        if name.endswith("-export") or "prepared" in records[name]["inputs"]:
            records[name] = records[name] | {"params": records[name]["params"] | found}
    for name, own, spec, seed in _seeded(records):
        places = {
            key: {role: of_seed(path, spec, seed) for role, path in records[own][key].items()}
            for key in ("inputs", "outputs")
        }
        records[name] = records[own] | {"seed": seed} | places


def derive_execution(execution: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """How stages run: those of a further seed as those of the spec's own model."""
    own = {name: first for name, first, _, _ in _seeded(names)}
    return {n: execution[own.get(n, n)] for n in sorted(names) if own.get(n, n) in execution}


def derive_stages(stages: Stages) -> None:
    """Put right what follows from other stages of dvc.yaml, whose lists are mappings."""
    for name, evaluate in _joining(stages):
        found = {key: None for key in evaluate["params"] if key.endswith(f".{_JOINED}")}
        if name.endswith("-export") or any(p.endswith("/prepared") for p in stages[name]["deps"]):
            stages[name] = stages[name] | {"params": stages[name]["params"] | found}
    for name, own, spec, seed in _seeded(stages):

        def moved(paths: Mapping[str, Any], spec: str = spec, seed: int = seed) -> dict[str, Any]:
            return {of_seed(path, spec, seed): about for path, about in paths.items()}

        first = stages[own]
        watched = {**first["params"], f"{RECORDS}.stages.{name}": None}
        del watched[f"{RECORDS}.stages.{own}"]
        stages[name] = {
            "desc": first["desc"],
            "cmd": COMMAND + name,
            "deps": moved(first["deps"]),
            "params": watched,
            # Plots are those of the spec's own model.
            "outs": moved({**first.get("outs", {}), **dict.fromkeys(first.get("plots", {}))}),
            "metrics": moved(first.get("metrics", {})),
            **{key: value for key, value in stages[name].items() if key in KEPT},
        }


def _joining(stages: Stages) -> Iterator[tuple[str, Any]]:
    """Trainings and exports, and the evaluation of their spec."""
    for name in [*stages]:
        spec, kind, seed = parts_of(name)
        if kind in ("train", "export") and seed is None and f"{spec}-evaluate" in stages:
            yield name, stages[f"{spec}-evaluate"]


def _seeded(names: Iterable[str]) -> Iterator[tuple[str, str, str, int]]:
    """Stages of further seeds, those of the spec's own model, the spec, and the seed."""
    known = set(names)
    for name in sorted(known):
        spec, kind, seed = parts_of(name)
        if seed is not None and f"{spec}-{kind}" in known:
            yield name, f"{spec}-{kind}", spec, seed
