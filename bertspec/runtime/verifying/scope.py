"""Which stages are built again, and what of theirs is compared."""

from collections.abc import Collection, Sequence
from pathlib import Path

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.pipeline.stage import MANIFEST, Pipeline, Stage


def needed(pipeline: Pipeline, names: Collection[str]) -> list[Stage]:
    """The stages of these specs, by default of all, and those before them, in order of a build.

    Raises InputError (E204) for a spec that is not there.
    """
    trained = [s for s in pipeline.stages if s.kind == "train" and s.seed is None]
    specs = [stage.name.removesuffix("-train") for stage in trained]
    for name in names:
        if name not in specs:
            raise InputError.of("E204", f"there is no spec `{name}`", did_you_mean(name, specs))
    folders = tuple(f"models/{name}/" for name in names or specs)
    wanted: set[str] = set()
    for stage in reversed(pipeline.stages):  # what reads a path comes after what makes it
        paths = {output.path for output in stage.outputs.values()}
        if wanted & paths or any(path.startswith(folders) for path in paths):
            wanted |= {*paths, *stage.inputs.values()}
    return [s for s in pipeline.stages if wanted & {o.path for o in s.outputs.values()}]


def compared(stage: Stage) -> list[str]:
    """Paths of what a stage makes, but for its manifest: that tells how it was made."""
    return [output.path for role, output in stage.outputs.items() if role != MANIFEST]


def require_built(stages: Sequence[Stage], root: Path) -> None:
    """Raise InputError (E206) for the first output that is not here."""
    for stage in stages:
        for output in stage.outputs.values():
            if not (root / output.path).exists():
                advice = "`dvc repro` builds it, `dvc pull` fetches it"
                raise InputError.of("E206", f"{output.path} is missing", advice)
