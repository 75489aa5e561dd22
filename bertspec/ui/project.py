"""What the pages tell of the project as it is here: its specs, their stages, what is stale."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bertspec.compiler.lower import lower
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import BertspecError
from bertspec.diffing.locked import OF_SPECS
from bertspec.pipeline.lock import Lock, require_lock
from bertspec.pipeline.stage import Pipeline
from bertspec.planning.entry import Entry
from bertspec.planning.make import Planned, make_plan
from bertspec.planning.order import in_order
from bertspec.planning.origin import Origin, origins
from bertspec.planning.plan import Step
from bertspec.runtime.durations import read_duration
from bertspec.spec.load import LoadedSpec
from bertspec.spec.needs import needed_specs
from bertspec.ui.usable import Broken, usable_specs


class Freshness(StrEnum):
    """Whether what was built of a spec is what stands here."""

    FRESH = "up to date"
    STALE = "stale"
    NEVER = "never built"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class StageHere:
    """A stage of a spec, or one before it."""

    entry: Entry
    step: Step | None
    """What a plan says of it; None for one that is up to date."""
    before: Mapping[str, tuple[str, ...]]
    """Path that it reads -> stages that make it, or a part of it; none for a file of the user's
    own."""
    seconds: float | None
    """What its last run took here."""

    @property
    def writes(self) -> list[str]:
        return [self.entry.place(out.path) for out in self.entry.outs]

    @property
    def reads(self) -> dict[str, list[str]]:
        """Paths by the stage that makes them, files of the user's own first, by no name."""
        found: dict[str, list[str]] = {}
        for path, makers in self.before.items():
            found.setdefault(makers[0] if makers else "", []).append(self.entry.place(path))
        return dict(sorted(found.items(), key=lambda item: item[0] != ""))


@dataclass(frozen=True)
class SpecHere:
    """A valid spec."""

    loaded: LoadedSpec
    freshness: Freshness
    stages: tuple[StageHere, ...]
    """Its own and all before them, in an order in which they can run."""
    problems: tuple[Diagnostic, ...] = ()
    """Why it cannot be compiled."""

    @property
    def name(self) -> str:
        return self.loaded.spec.name

    @property
    def steps(self) -> list[Step]:
        return [stage.step for stage in self.stages if stage.step]


@dataclass(frozen=True)
class ProjectHere:
    """All of it."""

    specs: tuple[SpecHere, ...]
    broken: tuple[Broken, ...]
    warnings: tuple[Diagnostic, ...]
    planned: Planned | None
    problems: tuple[Diagnostic, ...] = ()
    """Why nothing can be planned."""
    stages: tuple[StageHere, ...] = ()
    """All, those of the user's own, too, in an order in which they can run."""

    @property
    def is_partial(self) -> bool:
        """Whether specs were left out of the plan."""
        return bool(self.broken) or any(spec.problems for spec in self.specs)

    def spec(self, name: str) -> SpecHere | None:
        return next((spec for spec in self.specs if spec.name == name), None)

    def specs_of(self) -> dict[str, str]:
        """For each stage the first spec that it belongs to, or stands before."""
        found: dict[str, str] = {}
        for spec in self.specs:
            for stage in spec.stages:
                found.setdefault(stage.entry.name, spec.name)
        return found

    def origin(self, stage: StageHere) -> Origin | None:
        """The fields, files and locked versions that a stage reads."""
        made = self.planned
        if made is None:
            return None
        # The stages before it come later, and are not asked for.
        project = made.project
        found = origins(stage.entry, project.entries, made.makers, project.params, made.sources)
        return next(found)


def read_project_here(root: Path) -> ProjectHere:
    """The project in its folder; what is wrong in a part is told, and the rest goes on."""
    usable = usable_specs(root)
    specs, broken, warnings = usable.specs, usable.broken, usable.warnings
    refused: dict[str, tuple[Diagnostic, ...]] = {}
    try:
        pipeline = _lowered(specs, require_lock(root), refused)
        good = [each for each in specs if each.spec.name not in refused]
        planned = make_plan(root, good, pipeline)
    except BertspecError as error:
        unknown = tuple(SpecHere(each, Freshness.UNKNOWN, ()) for each in _sorted(specs))
        return ProjectHere(unknown, broken, warnings, None, error.diagnostics)
    stages = _stages_here(planned)
    found = tuple(
        SpecHere(each, Freshness.UNKNOWN, (), refused[each.spec.name])
        if each.spec.name in refused
        else _spec_here(each, planned, stages)
        for each in _sorted(specs)
    )
    return ProjectHere(found, broken, warnings, planned, stages=stages)


def _sorted(specs: Sequence[LoadedSpec]) -> list[LoadedSpec]:
    return sorted(specs, key=lambda each: each.spec.name)


def _lowered(
    specs: Sequence[LoadedSpec], lock: Lock, refused: dict[str, tuple[Diagnostic, ...]]
) -> Pipeline:
    """The pipeline of those that compile; why others do not goes to `refused`.

    Raises InputError where none does.
    """
    try:
        return lower(specs, lock)
    except BertspecError:
        for each in specs:
            try:
                lower(_with_needed(each, specs), lock)
            except BertspecError as error:
                refused[each.spec.name] = error.diagnostics
        if len(refused) == len(specs):
            raise
    return lower([each for each in specs if each.spec.name not in refused], lock)


def _with_needed(spec: LoadedSpec, specs: Sequence[LoadedSpec]) -> list[LoadedSpec]:
    """A spec with all whose trained models it needs."""
    by_name = {each.spec.name: each for each in specs}
    found: dict[str, LoadedSpec] = {}
    waiting = [spec.spec.name]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found[name] = by_name[name]
            waiting += needed_specs(by_name[name].spec).values()
    return list(found.values())


def _stages_here(planned: Planned) -> tuple[StageHere, ...]:
    entries, steps = planned.project.entries, {step.name: step for step in planned.plan.steps}
    return tuple(
        StageHere(
            entry=entries[name],
            step=steps.get(name),
            before=planned.makers[name],
            seconds=read_duration(planned.project.root, name),
        )
        for name in in_order(entries, planned.makers)
    )


def _spec_here(loaded: LoadedSpec, planned: Planned, stages: Sequence[StageHere]) -> SpecHere:
    own = {f"{loaded.spec.name}-{kind}" for kind in OF_SPECS} & planned.project.entries.keys()
    names = set(_with_all_before(own, planned))
    found = tuple(stage for stage in stages if stage.entry.name in names)
    if not any(stage.step for stage in found):
        freshness = Freshness.FRESH
    elif own & planned.project.locked.keys():
        freshness = Freshness.STALE
    else:
        freshness = Freshness.NEVER
    return SpecHere(loaded, freshness, found)


def _with_all_before(names: set[str], planned: Planned) -> Iterator[str]:
    waiting, seen = sorted(names), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting += [m for makers in planned.makers[name].values() for m in makers]
