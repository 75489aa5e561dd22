"""What a sweep tries: the same as itertools and Optuna, run alone."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pytest

from bertspec.spec.sweep_file import Grid, Random, Tpe
from bertspec.sweeping.proposals import proposals
from bertspec.sweeping.pruning import MedianRule
from bertspec.sweeping.record import Outcome, State
from bertspec.sweeping.space import Choice, Numbers

RATE = Numbers(1e-5, 1e-2, log=True, step=None, whole=False)
EPOCHS = Numbers(2, 9, log=False, step=None, whole=True)
SCHEDULES: Choice = ({"type": "linear"}, {"type": "cosine"}, None)
CHOICES: Mapping[str, Choice] = {"rate": RATE, "epochs": EPOCHS, "schedule": SCHEDULES}


def _loss(values: Mapping[str, Any]) -> float:
    """Best near a rate of 1e-3 with many epochs and the second schedule."""
    worse = 0.0 if values["schedule"] == {"type": "cosine"} else 0.3
    return abs(math.log10(values["rate"]) + 3) + 1 / values["epochs"] + worse


def _curve(values: Mapping[str, Any]) -> Sequence[float]:
    return [_loss(values) * (1 + 1 / n) for n in range(1, values["epochs"] + 1)]


def _suggested(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "rate": trial.suggest_float("rate", 1e-5, 1e-2, log=True),
        "epochs": trial.suggest_int("epochs", 2, 9),
        "schedule": SCHEDULES[trial.suggest_categorical("schedule", [0, 1, 2])],  # type: ignore[index]
    }


@pytest.mark.parametrize(
    ("ours", "alone"),
    [
        (Random(type="random", trials=12, seed=5), optuna.samplers.RandomSampler(5)),
        (Tpe(type="tpe", trials=18, seed=5), optuna.samplers.TPESampler(seed=5)),
    ],
)
def test_values_are_those_of_optunas_sampler_run_alone(
    ours: Random | Tpe, alone: optuna.samplers.BaseSampler
) -> None:
    tried: list[dict[str, Any]] = []

    def objective(trial: optuna.Trial) -> float:
        tried.append(_suggested(trial))
        return _loss(tried[-1])

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.create_study(sampler=alone).optimize(objective, n_trials=ours.trials)
    found = proposals(ours, CHOICES, lower_is_better=True)
    asked = []
    for number in range(1, found.total + 1):
        asked.append(found.ask())
        found.tell(Outcome(number, State.COMPLETE, _loss(asked[-1])))
    assert asked == tried


def test_pruned_and_failed_trials_are_told_and_stopped_as_optuna_does() -> None:
    """A study with TPE and the median pruner, and ours, told the same curves."""
    tried: list[tuple[dict[str, Any], str]] = []

    def objective(trial: optuna.Trial) -> float:
        values = _suggested(trial)
        if values["schedule"] is None:
            tried.append((values, "failed"))
            return math.nan
        for step, value in enumerate(_curve(values)):
            trial.report(value, step)
            if trial.should_prune():
                tried.append((values, f"pruned after {step + 1}"))
                raise optuna.TrialPruned
        tried.append((values, "complete"))
        return _curve(values)[-1]

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=3), pruner=optuna.pruners.MedianPruner(2, 1)
    )
    study.optimize(objective, n_trials=20)
    sampler = Tpe(type="tpe", trials=20, seed=3)
    found = proposals(sampler, CHOICES, lower_is_better=True)
    asked: list[tuple[Mapping[str, Any], str]] = []
    curves: list[Sequence[float]] = []
    for number in range(1, 21):
        values = found.ask()
        curve = _curve(values)
        rule = MedianRule(2, 1, lower_is_better=True, others=curves)
        if values["schedule"] is None:
            outcome, how = Outcome(number, State.FAILED), "failed"
        elif end := rule.stops_at(curve):
            outcome = Outcome(number, State.PRUNED, curve[end - 1], curve[:end])
            how = f"pruned after {end}"
        else:
            outcome, how = Outcome(number, State.COMPLETE, curve[-1], curve), "complete"
            curves.append(curve)
        found.tell(outcome)
        asked.append((values, how))
    assert asked == tried
    assert {how.partition(" ")[0] for _, how in asked} == {"failed", "pruned", "complete"}


def test_a_grid_is_the_product_with_steps_exact_in_decimals() -> None:
    choices: Mapping[str, Choice] = {
        "a": (3, None),
        "b": Numbers(0.1, 0.5, log=False, step=0.1, whole=False),
        "c": Numbers(8, 20, log=False, step=8, whole=True),
    }
    found = proposals(Grid(type="grid"), choices, lower_is_better=True)
    wanted = itertools.product((3, None), (0.1, 0.2, 0.3, 0.4, 0.5), (8, 16))
    asked = [found.ask() for _ in range(found.total)]
    assert [tuple(trial.values()) for trial in asked] == list(wanted)
    assert {type(trial["c"]) for trial in asked} == {int}


def test_what_is_measured_higher_is_stopped_when_lower() -> None:
    good, bad = [0.5, 0.8, 0.9], [0.5, 0.6, 0.7]
    up = MedianRule(1, 0, lower_is_better=False, others=[good])
    down = MedianRule(1, 0, lower_is_better=True, others=[bad])
    assert (up.stops_at(bad), up.stops_at(good)) == (2, None)
    assert (down.stops_at(good), down.stops_at([0.6, 0.5])) == (None, 1)
    assert MedianRule(2, 0, lower_is_better=False, others=[good]).stops_at(bad) is None
