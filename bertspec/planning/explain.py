"""Explain where an artifact of a project comes from."""

from collections.abc import Sequence
from pathlib import Path

from bertspec.pipeline.stage import Pipeline
from bertspec.planning.history import last_rebuild
from bertspec.planning.make import make_plan
from bertspec.planning.origin import entry_of, origins
from bertspec.planning.origin_text import Explanation
from bertspec.runtime.durations import read_duration
from bertspec.spec.load import LoadedSpec


def explain(
    target: str, root: Path, specs: Sequence[LoadedSpec], pipeline: Pipeline
) -> Explanation:
    """Raises InputError for a target that no stage makes (E220), and as `make_plan` does."""
    planned = make_plan(root, specs, pipeline)
    project = planned.project
    entry = entry_of(target, project.entries)
    found = origins(entry, project.entries, planned.makers, project.params, planned.sources)
    step = next((step for step in planned.plan.steps if step.name == entry.name), None)
    return Explanation(
        target=target,
        origins=tuple(found),
        rebuild=last_rebuild(root, entry, planned.sources.explain),
        step=step,
        seconds=read_duration(root, entry.name),
    )
