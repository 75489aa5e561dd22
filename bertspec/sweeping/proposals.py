"""Which values are tried next: a grid, or what Optuna's samplers draw."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from bertspec.core.packages import of_extra
from bertspec.spec.sweep_file import Grid, Random, Tpe
from bertspec.sweeping.record import Outcome, State
from bertspec.sweeping.space import Choice, Numbers, Trial

if TYPE_CHECKING:
    from optuna import Trial as Drawn

Choices = Mapping[str, Choice]


class Proposals(Protocol):
    """Trials, one after the other. The same questions in the same order have the same answers."""

    total: int
    """Trials in all."""

    def ask(self) -> Trial:
        """The values of the next trial."""

    def tell(self, outcome: Outcome) -> None:
        """How a trial has ended, in the order in which they were asked for."""


def proposals(
    sampler: Grid | Random | Tpe, choices: Choices, *, lower_is_better: bool
) -> Proposals:
    """Those of a sampler. Raises EnvironmentFault (E502) where it needs Optuna, and that is not
    installed.
    """
    if isinstance(sampler, Grid):
        return _Grid(choices)
    return _Drawn(sampler, choices, lower_is_better=lower_is_better)


class _Grid:
    def __init__(self, choices: Choices) -> None:
        values = [c.steps() if isinstance(c, Numbers) else c for c in choices.values()]
        self._left = [dict(zip(choices, each, strict=True)) for each in itertools.product(*values)]
        self.total = len(self._left)

    def ask(self) -> Trial:
        return self._left.pop(0)

    def tell(self, outcome: Outcome) -> None:
        pass


class _Drawn:
    """A study of Optuna in memory: what is kept is what it was asked and told, to do so again."""

    def __init__(self, sampler: Random | Tpe, choices: Choices, *, lower_is_better: bool) -> None:
        optuna = require_optuna()
        self.total = sampler.trials
        self._choices = choices
        drawn = optuna.samplers.RandomSampler(sampler.seed)
        if isinstance(sampler, Tpe):
            drawn = optuna.samplers.TPESampler(seed=sampler.seed)
        direction = "minimize" if lower_is_better else "maximize"
        self._study = optuna.create_study(sampler=drawn, direction=direction)
        self._distributions = {name: _distribution(c) for name, c in choices.items()}
        self._asked: list[Drawn] = []

    def ask(self) -> Trial:
        trial = self._study.ask(self._distributions)
        self._asked.append(trial)
        return {
            name: trial.params[name] if isinstance(choice, Numbers) else choice[trial.params[name]]
            for name, choice in self._choices.items()
        }

    def tell(self, outcome: Outcome) -> None:
        from optuna.trial import TrialState

        trial = self._asked[outcome.number - 1]
        if outcome.state is State.PRUNED:
            for step, value in enumerate(outcome.curve):
                trial.report(value, step)
            self._study.tell(trial, state=TrialState.PRUNED)
        elif outcome.value is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, outcome.value)


def _distribution(choice: Choice) -> Any:
    """Of a list it is the place in it that is drawn, as its values may be of any kind."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if not isinstance(choice, Numbers):
        return CategoricalDistribution(range(len(choice)))
    if choice.whole:
        step = 1 if choice.step is None else int(choice.step)
        return IntDistribution(int(choice.low), int(choice.high), choice.log, step)
    return FloatDistribution(choice.low, choice.high, choice.log, choice.step)


def require_optuna() -> Any:
    """Optuna, which says nothing of its own. Raises EnvironmentFault (E502) where it is not."""
    with of_extra("sweep", ("optuna",), "draws the values of a sweep and prunes trials"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
