"""All specs of a project and its lock -> the pipeline."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from bertspec.compiler.passes.datasets import lower_data_set
from bertspec.compiler.passes.models import lower_model
from bertspec.compiler.passes.shared import (
    base_name,
    lower_base,
    lower_tokenization,
    tokenization_name,
)
from bertspec.compiler.pins import all_pinned
from bertspec.core.packages import distribution_name
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Pipeline, Stage
from bertspec.spec.load import LoadedSpec


def lower(specs: Sequence[LoadedSpec], lock: Lock) -> Pipeline:
    """The pipeline of valid specs; stages in the order of a build, then by name.

    Raises InputError for what the lock has not: E207 for a package that a stage uses, E215 for what
    a spec leaves open.
    """
    ordered = sorted(all_pinned(specs, lock), key=lambda loaded: loaded.spec.name)
    data_sets = {s.dataset_name: s for s in reversed(ordered)}
    bases = {base_name(s): s for s in reversed(ordered)}
    tokenizations: dict[str, list[LoadedSpec]] = {}
    for loaded in ordered:
        tokenizations.setdefault(tokenization_name(loaded), []).append(loaded)

    params: dict[str, Any] = {"bases": {}, "datasets": {}, "tokenizations": {}}
    stages: list[Stage] = []
    for name, loaded in data_sets.items():
        origin = loaded.document.position(("data", "source")).file
        params["datasets"][name], more = lower_data_set(name, loaded.spec.data, origin, lock)
        stages += more
    for name, loaded in bases.items():
        params["bases"][name], stage = lower_base(
            name, loaded.spec.model.base, loaded.dataset_name, loaded.document.name, lock
        )
        stages.append(stage)
    for name, sharing in tokenizations.items():
        params["tokenizations"][name], stage = lower_tokenization(sharing, lock)
        stages.append(stage)
    for loaded in ordered:
        params[loaded.spec.name], more = lower_model(loaded, lock)
        stages += more
    return Pipeline(tuple(_in_order(stages)), params, lock.hardware)


def _in_order(stages: Sequence[Stage]) -> list[Stage]:
    """Stages in an order in which they can run: by kind and name, but those that need the trained
    model of another spec after it.
    """
    by_name = {stage.name: stage for stage in stages}
    makers = {o.path: stage.name for stage in stages for o in stage.outputs.values()}
    kinds = list(STAGE_KINDS)

    @cache
    def round_of(name: str) -> int:
        """How many trained models lie between the stage and the data."""
        stage = by_name[name]
        needed = [makers[path] for path in stage.inputs.values() if path in makers]
        follows = stage.kind in ("base", "train")
        return max(
            (round_of(n) + (follows and by_name[n].kind == "train") for n in needed), default=0
        )

    return sorted(stages, key=lambda s: (round_of(s.name), kinds.index(s.kind), s.name))


def packages_used(specs: Sequence[LoadedSpec]) -> tuple[str, ...]:
    """Normalised names of all distributions that a lock for these specs must have."""
    used = {p for kind in STAGE_KINDS.values() for p in kind.packages}
    for loaded in specs:
        spec = loaded.spec
        used |= {*spec.data.source.packages, *spec.data.contract.packages()}
        used |= {*spec.model.base.packages(), *spec.training.packages()}
        used |= {p for export in spec.export for p in export.packages()}
    return tuple(sorted({distribution_name(p) for p in used}))
