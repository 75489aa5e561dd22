"""A sweep goes on where it was, whatever ended it, and tries the same as one that never stopped."""

import json
import math
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from bertspec.core.errors import EnvironmentFault, InputError, Interrupted
from bertspec.core.yaml import load_plain
from bertspec.sweeping.definition import read_definition
from bertspec.sweeping.record import Outcome, State
from bertspec.sweeping.sweep import Sweep, Swept
from bertspec.sweeping.trial import Job
from tests.projects import Project, with_onnx
from tests.sweep.conftest import write_sweep
from tests.waiting import wait_for

TPE: dict[str, Any] = {
    "sampler": {"type": "tpe", "trials": 13, "seed": 2},
    "pruner": {"type": "median", "startup": 3},
    "fields": {
        "training.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
        "training.epochs": {"low": 2, "high": 6},
    },
}


class Instant:
    """An engine without stages: a trial is a function of its params. It ends them in an order of
    its own, and fails at the trial number `fails_at`.
    """

    def __init__(self, *, last_first: bool = False, fails_at: int | None = None) -> None:
        self.jobs: list[Job] = []
        self.most = 0
        self.is_closed = False
        self._fails_at = fails_at
        self._last_first = last_first
        self._waiting: list[tuple[Job, Future[Outcome]]] = []

    def submit(self, job: Job) -> "Future[Outcome]":
        self.jobs.append(job)
        future: Future[Outcome] = Future()
        self._waiting.append((job, future))
        self.most = max(self.most, len(self._waiting))
        return future

    def step(self) -> None:
        """End one of the trials."""
        job, future = self._waiting.pop(-1 if self._last_first else 0)
        if job.number == self._fails_at:
            future.set_exception(EnvironmentFault.of("E240", "the disk is full"))
        else:
            future.set_result(result_of(job))

    def close(self) -> None:
        self.is_closed = True


def result_of(job: Job) -> Outcome:
    training = load_plain(job.params)["tiny"]["training"]
    loss = abs(math.log10(training["learning_rate"]) + 3)
    curve = [loss * (1 + 1 / n) for n in range(1, training["epochs"] + 1)]
    if end := job.rule and job.rule.stops_at(curve):
        return Outcome(job.number, State.PRUNED, curve[end - 1], curve[:end])
    return Outcome(job.number, State.COMPLETE, curve[-1], curve)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[Instant]:
    """Those of a test; while the sweep waits, the last one ends a trial."""
    found: list[Instant] = []

    def stepping(running: Any, **options: Any) -> Any:
        found[-1].step()
        return wait(running, **options)

    monkeypatch.setattr("bertspec.sweeping.sweep.wait", stepping)
    return found


def _run(
    project: Project, engines: list[Instant], jobs: int = 1, stop_after: int | None = None,
    **options: Any,
) -> Swept:  # fmt: skip
    restart = options.pop("restart", False)
    engines.append(Instant(**options))
    ended: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        ended.append(outcome)
        if len(ended) == stop_after:
            raise KeyboardInterrupt

    sweep = Sweep(read_definition("rates", project.root), restart=restart)
    return sweep.run(engines[-1], jobs, tell)


def _tried(engines: Sequence[Instant]) -> list[tuple[int, str]]:
    return [(job.number, job.params) for engine in engines for job in engine.jobs]


def test_after_ctrl_c_it_tries_what_it_would_have_tried(
    tried: Project, engines: list[Instant]
) -> None:
    write_sweep(tried, **TPE)
    whole = _run(tried, engines)
    wanted = _tried(engines)
    assert len(wanted) == 13
    assert {o.state for o in whole.outcomes.values()} == {State.COMPLETE, State.PRUNED}
    engines.clear()
    with pytest.raises(Interrupted, match="goes on"):
        _run(tried, engines, stop_after=9, restart=True)
    assert engines[0].is_closed
    again = _run(tried, engines)
    assert _tried(engines) == wanted
    assert again == whole
    assert _run(tried, engines) == whole
    assert not engines[-1].jobs


def test_a_line_that_was_cut_off_is_as_if_it_had_not_been_written(
    tried: Project, engines: list[Instant]
) -> None:
    write_sweep(tried, **TPE)
    whole = _run(tried, engines)
    file = tried.root / ".bertspec/sweeps/rates/trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:12]) + lines[12][:20])
    assert json.loads(lines[12])["outcome"]["number"] == 6
    assert _run(tried, engines) == whole
    assert [job.number for job in engines[-1].jobs] == list(range(6, 14))


@pytest.mark.parametrize("jobs", [2, 3])
def test_which_of_several_ends_first_changes_nothing(
    tried: Project, engines: list[Instant], jobs: int
) -> None:
    write_sweep(tried, **TPE)
    first = _run(tried, engines, jobs)
    assert engines[-1].most == jobs
    slots = {job.slot.folder.name for job in engines[-1].jobs}
    assert slots == {str(number) for number in range(jobs)}
    assert _run(tried, engines, jobs, last_first=True, restart=True) == first
    with pytest.raises(Interrupted):
        _run(tried, engines, jobs, last_first=True, restart=True, stop_after=7)
    assert _run(tried, engines, jobs) == first


def test_a_fault_ends_it_and_loses_nothing(tried: Project, engines: list[Instant]) -> None:
    write_sweep(tried, **TPE)
    with pytest.raises(EnvironmentFault, match="disk is full"):
        _run(tried, engines, fails_at=5)
    assert engines[-1].is_closed
    _run(tried, engines)
    assert [job.number for job in engines[-1].jobs] == list(range(5, 14))


def test_trials_beside_each_other_go_on_in_their_own_places(
    tried: Project, engines: list[Instant]
) -> None:
    write_sweep(tried, sampler={"type": "random", "trials": 6}, fields=TPE["fields"])
    with pytest.raises(Interrupted):
        _run(tried, engines, 2, stop_after=3)
    last = {job.slot.folder: job.number for job in engines[-1].jobs}  # of each place
    left = {number: slot for slot, number in last.items() if number > 3}
    assert left
    _run(tried, engines, 2)
    went_on = {job.number: job.slot.folder for job in engines[-1].jobs}
    assert {number: went_on[number] for number in left} == left


def test_more_trials_go_on_and_anything_else_is_another_sweep(
    tried: Project, engines: list[Instant]
) -> None:
    write_sweep(tried, **TPE | {"sampler": {"type": "tpe", "trials": 3, "seed": 2}})
    _run(tried, engines)
    write_sweep(tried, **TPE, description="more of them")
    _run(tried, engines)
    assert [job.number for job in engines[-1].jobs] == list(range(4, 14))
    write_sweep(tried, **TPE | {"sampler": {"type": "tpe", "trials": 13, "seed": 3}})
    with pytest.raises(InputError, match=r"sampler\.seed"):
        _run(tried, engines)
    fields = dict(reversed(list(TPE["fields"].items())))
    write_sweep(tried, **TPE | {"fields": fields})
    with pytest.raises(InputError, match="order"):
        _run(tried, engines)
    write_sweep(tried, **TPE)
    tried.commit("the sweep alone")
    _run(tried, engines)
    tried.write_spec(with_onnx(training={"epochs": 7}))
    tried.bertspec("compile")
    tried.commit("another spec")
    with pytest.raises(InputError, match="have changed since"):
        _run(tried, engines)
    _run(tried, engines, restart=True)
    assert len(engines[-1].jobs) == 13


def test_experiments_of_another_sweep_of_the_name_are_not_replaced(
    tried: Project, engines: list[Instant]
) -> None:
    write_sweep(tried)
    head = tried.run("git", "rev-parse", "HEAD").stdout.strip()
    tried.run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/rates-1", head)
    with pytest.raises(InputError, match="rates-1"):
        _run(tried, engines)
    tried.run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/rates-of-mine", head)
    tried.run("git", "update-ref", "-d", f"refs/exps/{head[:2]}/{head[2:]}/rates-1")
    assert _run(tried, engines).best is not None


def test_a_place_is_not_removed_under_a_trial_that_still_ends_in_it(
    tried: Project, engines: list[Instant]
) -> None:
    """As after `kill -9` of the sweep."""
    write_sweep(tried)
    with pytest.raises(Interrupted):
        _run(tried, engines, stop_after=1)
    slot = engines[-1].jobs[-1].slot
    slot.folder.mkdir()
    with ThreadPoolExecutor() as threads:
        with slot.held():
            ended = threads.submit(_run, tried, engines, restart=True)
            wait_for(lambda: len(engines) == 2)
            assert not wait([ended], 0.5).done
            assert slot.folder.is_dir()
        assert ended.result(60).best is not None
    assert not slot.folder.exists()


def test_values_that_do_not_go_together_are_a_failed_trial(
    tried: Project, engines: list[Instant]
) -> None:
    fields = {"training.batch.examples": [8, 2], "training.batch.accumulate": [1, 4]}
    write_sweep(tried, fields=fields)
    swept = _run(tried, engines)
    assert [job.number for job in engines[-1].jobs] == [1, 2, 3]
    assert swept.outcomes[4].state is State.FAILED
    assert "divided into 4 parts" in swept.outcomes[4].reason


def test_optuna_is_asked_for_before_anything_else_where_it_is_needed(
    tried: Project, engines: list[Instant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    for needing in (TPE, {"pruner": {"type": "median"}}):
        write_sweep(tried, **needing)
        with pytest.raises(EnvironmentFault, match="not installed: optuna"):
            _run(tried, engines)
    write_sweep(tried)
    assert _run(tried, engines).best is not None


def test_data_that_git_does_not_have_is_part_of_what_a_sweep_is(
    tried: Project, engines: list[Instant]
) -> None:
    (tried.root / ".gitignore").write_text("/data/*.csv\n")
    tried.run("git", "rm", "--quiet", "--cached", "data/reviews.csv")
    tried.commit("data that git does not have")
    write_sweep(tried)
    _run(tried, engines)
    with (tried.root / "data/reviews.csv").open("a") as file:
        file.write("another row,good\n")
    with pytest.raises(InputError, match=r"data/reviews\.csv was not the same"):
        _run(tried, engines)
    _run(tried, engines, restart=True)
    assert len(engines[-1].jobs) == 2
