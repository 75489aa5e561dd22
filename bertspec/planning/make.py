"""Make a plan of a project."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bertspec.pipeline.layout import DVC_FILE
from bertspec.pipeline.stage import Pipeline
from bertspec.planning.differences import Differences
from bertspec.planning.hashes import Hashes
from bertspec.planning.order import Makers, in_order, makers_of
from bertspec.planning.plan import Action, Plan, Step, What
from bertspec.planning.project import Project, read_project
from bertspec.planning.repository import Repository
from bertspec.planning.sources import Sources
from bertspec.planning.store import Store
from bertspec.planning.walk import Walk
from bertspec.spec.load import LoadedSpec


@dataclass(frozen=True)
class Planned:
    """A plan, and what it was made with."""

    plan: Plan
    project: Project
    makers: Makers
    sources: Sources
    cache: Path | None
    """DVC's, where there is one."""


def make_plan(
    root: Path, specs: Sequence[LoadedSpec], pipeline: Pipeline, *, with_remote: bool = False
) -> Planned:
    """What `dvc repro` would do; `with_remote` for `dvc repro --pull`.

    Raises InputError for files that cannot be read, or where no remote is the default, and
    EnvironmentFault (E526) for one that cannot be read.
    """
    project = read_project(root, pipeline)
    hashes = Hashes(root)
    repository = Repository.around(root)
    cache = repository.cache if repository else None
    store = Store(cache, hashes)
    sources = Sources(root, specs)
    differences = Differences(root, project.params, hashes, store, sources.explain)
    makers = makers_of(project.entries.values())
    with _remote(repository if with_remote else None) as far:
        walk = None
        while walk is None or far.learn():
            walk = Walk(project, hashes, store, far, differences, makers, sources)
            for name in in_order(project.entries, makers):
                walk.come_to(project.entries[name])
    hashes.keep()
    plan = Plan(
        steps=tuple(walk.steps),
        total=len(project.entries),
        gone=project.gone,
        dry=tuple(walk.dry),
        stale=project.stale,
        notes=tuple(_notes(project, repository, walk)),
    )
    return Planned(plan, project, makers, sources, cache)


def _remote(repository: Repository | None) -> AbstractContextManager[Store]:
    if repository is None:
        return nullcontext(Store(None))
    from bertspec.planning.far import remote_store

    return remote_store(repository)


def _notes(project: Project, repository: Repository | None, walk: Walk) -> Iterator[str]:
    if repository is None:
        yield "this is no DVC repository yet: `git init` and `dvc init` make it one"
    elif any(map(_is_lost, walk.steps)):
        yield "`dvc pull` brings what is missing here, if it has been pushed; see --remote"
    planned = {step.name for step in walk.steps}
    if hidden := [name for name in walk.dry if name not in planned]:
        yield (
            f"`dvc repro --dry` may name {', '.join(hidden)}, too: what they read is put back as "
            "it was before their turn comes"
        )
    if project.unread:
        yield f"only DVC can read these stages of {DVC_FILE}: {', '.join(project.unread)}"
    if repository and repository.ignores():
        yield "patterns of .dvcignore are not looked at"


def _is_lost(step: Step) -> bool:
    """Whether a stage runs only because its outputs are not in the cache."""
    lost = all(reason.what is What.LOST for reason in step.reasons)
    return step.action is Action.RUN and lost
