"""A sweep from its first trial to its last, or from where it was."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from signal import SIGINT
from typing import Any

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError, Interrupted
from bertspec.core.files import remove, write_atomic
from bertspec.core.program import ask, call
from bertspec.core.values import leaves
from bertspec.pipeline.layout import WORK_FOLDER
from bertspec.spec.sweep_file import Grid, Tpe
from bertspec.sweeping.definition import FOLDER, Definition
from bertspec.sweeping.engine import Engine
from bertspec.sweeping.objective import Objective, objective_of
from bertspec.sweeping.origin import origin_of
from bertspec.sweeping.proposals import proposals, require_optuna
from bertspec.sweeping.pruning import MedianRule
from bertspec.sweeping.record import Asked, Outcome, Record, State
from bertspec.sweeping.slot import Origin, Slot
from bertspec.sweeping.space import Space, Trial
from bertspec.sweeping.trial import Job

_KEPT = "trials that have ended are kept, and the rerun goes on with those that were running"


@dataclass(frozen=True)
class Swept:
    """How it has ended."""

    name: str
    spec: str
    objective: Objective
    total: int
    trials: Mapping[int, Trial]
    outcomes: Mapping[int, Outcome]

    @property
    def best(self) -> Outcome | None:
        """The first of those that nothing is better than; None where none is complete."""
        done = [o for _, o in sorted(self.outcomes.items()) if o.state is State.COMPLETE]
        sign = 1 if self.objective.lower_is_better else -1
        return min(done, key=lambda o: sign * (o.value or 0.0), default=None)

    def experiment(self, number: int) -> str:
        """The name that DVC has for a trial."""
        return f"{self.name}-{number}"


class Sweep:
    """The trials of a definition, and what is kept of them."""

    def __init__(self, definition: Definition, *, restart: bool = False) -> None:
        """Raises InputError for a definition that cannot be, E238 for one that is another one than
        was begun, E239 for a commit that is not as the specs say; EnvironmentFault (E502) where
        Optuna is needed and not installed.
        """
        self._definition, file = definition, definition.file
        if _needs_optuna(definition):
            require_optuna()
        self._folder = definition.root / WORK_FOLDER / FOLDER / definition.name
        self.objective = objective_of(definition)
        self._space = Space(definition)
        path = self._folder / "trials.jsonl"
        self._record = Record(path) if restart else Record.read(path)
        begun = self._record.begun
        self._origin, self._params = origin_of(definition, begun.get("base"))
        self._is = {**_described(definition), "base": self._origin.base}
        if self._origin.sources:
            self._is["data"] = dict(self._origin.sources)
        if begun and begun != self._is:
            raise _another(definition.name, begun, self._is)
        old = [] if begun else _experiments(definition, self._origin)
        if old and not restart:
            raise _in_the_way(definition.name, old)
        self._old = old
        self._proposals = proposals(
            file.sampler, self._space.choices, lower_is_better=self.objective.lower_is_better
        )
        self._results_matter = isinstance(file.sampler, Tpe) or file.pruner is not None
        self._told = 0

    @property
    def total(self) -> int:
        """Trials in all."""
        return self._proposals.total

    def run(self, engine: Engine, jobs: int, tell: Callable[[Outcome], None]) -> Swept:
        """Run what has not run yet, so many at a time; `tell` is called with each that has ended.

        Raises EnvironmentFault (E240) for a trial that cannot be run, and Interrupted: what has
        ended is kept, and what was running goes on at the next call.
        """
        self._begin()
        waiting = [a for a in self._record.asked if a.number not in self._record.outcomes]
        running: dict[Future[Outcome], Path] = {}
        try:
            while True:
                while len(running) < jobs and (asked := self._next(waiting, jobs)):
                    slot = self._free_slot(asked, jobs, running.values())
                    try:
                        running[engine.submit(self._job(asked, slot))] = slot
                    except InputError as error:  # values that each may be, and not together
                        reason = error.diagnostics[0].message
                        self._end(Outcome(asked.number, State.FAILED, reason=reason), tell)
                if not running:
                    break
                ended = wait(running, return_when=FIRST_COMPLETED).done
                for future in sorted(ended, key=lambda f: f.exception() is not None):
                    running.pop(future)
                    self._end(future.result(), tell)
        except KeyboardInterrupt as error:
            number = 0 if not isinstance(error, Interrupted) else error.exit_code - 128
            raise Interrupted(_KEPT, number or SIGINT) from None
        finally:
            engine.close()
        self._remove_slots()
        return self.swept()

    def swept(self) -> Swept:
        """What is known by now."""
        return Swept(
            self._definition.name,
            self._definition.file.spec,
            self.objective,
            self.total,
            {asked.number: asked.values for asked in self._record.asked},
            dict(self._record.outcomes),
        )

    def _begin(self) -> None:
        """Begin the record, or ask and tell again what it has, which leads to where it was."""
        if not self._record.begun:
            self._remove_slots()
            remove(self._folder / "logs")
            remove(self._record.path)
            if self._old:
                call("dvc", "exp", "remove", *self._old, folder=self._definition.root)
            self._record.begin(self._is)
        for asked in self._record.asked:
            self._tell_first(asked.after)
            self._proposals.ask()

    def _remove_slots(self) -> None:
        slots = self._folder / "slots"
        for folder in sorted(slots.glob("*")):
            if folder.is_dir():  # in which a trial of a sweep that was killed may still end
                with Slot(folder.with_suffix(""), self._origin).held():  # of one being made, too
                    remove(folder)
        remove(slots)

    def _next(self, waiting: list[Asked], jobs: int) -> Asked | None:
        """A trial to run; None where there is none, or what it depends on is not known yet.

        Where results matter for what is tried next, or stopped, a trial is a function of all that
        came `jobs` or more before it: which of the others ends first changes nothing.
        """
        if waiting:
            return waiting.pop(0)
        number = len(self._record.asked) + 1
        known = max(self._told, number - jobs) if self._results_matter else 0
        if number > self.total or not self._tell_first(known):
            return None
        asked = Asked(number, known, self._proposals.ask())
        self._record.ask(asked)
        return asked

    def _tell_first(self, count: int) -> bool:
        """Tell the proposals how the first so many trials have ended, if all of them have."""
        outcomes = self._record.outcomes
        if any(n not in outcomes for n in range(self._told + 1, count + 1)):
            return False
        for number in range(self._told + 1, count + 1):
            self._proposals.tell(outcomes[number])
        self._told = max(self._told, count)
        return True

    def _free_slot(self, asked: Asked, jobs: int, used: Iterable[Path]) -> Path:
        """A place to run a trial: the one that it was in before, if there is."""
        all_slots = [self._folder / "slots" / str(number) for number in range(jobs)]
        free = [slot for slot in all_slots if slot not in set(used)]
        mine = [s for s in free if _trial_in(s) == str(asked.number)]
        return (mine or free)[0]

    def _job(self, asked: Asked, slot: Path) -> Job:
        """Raises InputError for values that the spec may not have together."""
        name, pruner = self._definition.name, self._definition.file.pruner
        params = self._space.params(asked.values, self._params)
        write_atomic(slot.with_suffix(".trial"), str(asked.number).encode())
        rule = None
        if pruner is not None:
            before = (self._record.outcomes[n + 1] for n in range(asked.after))
            curves = [o.curve for o in before if o.state in (State.COMPLETE, State.REJECTED)]
            lower = self.objective.lower_is_better
            rule = MedianRule(pruner.startup, pruner.warmup, lower, curves)
        return Job(
            asked.number,
            f"{name}-{asked.number}",
            self._definition.file.spec,
            params,
            Slot(slot, self._origin),
            self._folder / "logs" / f"{asked.number}.txt",
            self.objective,
            rule,
        )

    def _end(self, outcome: Outcome, tell: Callable[[Outcome], None]) -> None:
        self._record.end(outcome)
        tell(outcome)


def _described(definition: Definition) -> dict[str, Any]:
    """All that the trials depend on beside the commit; more of them are the same sweep."""
    file = definition.file.model_dump(mode="json", exclude={"description"})
    file["sampler"].pop("trials", None)
    order = list(definition.file.fields)  # it says which value is drawn first
    optuna = {"optuna": version("optuna")} if _needs_optuna(definition) else {}
    return {"file": file, "order": order, **optuna}


def _needs_optuna(definition: Definition) -> bool:
    """A grid without a pruner does not."""
    return not isinstance(definition.file.sampler, Grid) or definition.file.pruner is not None


def _trial_in(slot: Path) -> str:
    """The number of the trial that was last begun there."""
    mark = slot.with_suffix(".trial")
    return mark.read_text(encoding="utf-8") if mark.is_file() else ""


def _experiments(definition: Definition, origin: Origin) -> list[str]:
    """Experiments of the commit that are called as trials are."""
    refs = f"refs/exps/{origin.base[:2]}/{origin.base[2:]}/"
    listed = ask("git", "for-each-ref", "--format=%(refname)", refs, folder=origin.top).out
    names = [ref.removeprefix(refs) for ref in listed.split()]
    return [n for n in names if re.fullmatch(rf"{re.escape(definition.name)}-\d+", n)]


def _in_the_way(name: str, old: Sequence[str]) -> InputError:
    return InputError(
        [
            Diagnostic(
                "E238",
                f"there are experiments of another sweep `{name}`: {', '.join(old[:3])}",
                "`--restart` puts new ones in their place; or give this sweep another name",
            )
        ]
    )


def _another(name: str, begun: Mapping[str, Any], now: Mapping[str, Any]) -> InputError:
    differing = [
        ".".join(map(str, path)).removeprefix("file.") for path, _, _ in leaves(begun, now)
    ]
    return InputError(
        [
            Diagnostic(
                "E238",
                f"`{name}` was begun as another sweep: {', '.join(differing)} was not the same",
                "put that back; or `--restart`, which runs all trials again; or another name",
            )
        ]
    )
