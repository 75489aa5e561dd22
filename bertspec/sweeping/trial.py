"""One trial: DVC runs it as an experiment in a clone, and its curve is watched meanwhile."""

import csv
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertspec.core.errors import EnvironmentFault, reason
from bertspec.core.program import call
from bertspec.pipeline import layout
from bertspec.sweeping.objective import Objective
from bertspec.sweeping.processes import kill_all, stop
from bertspec.sweeping.pruning import MedianRule
from bertspec.sweeping.record import Outcome, State
from bertspec.sweeping.slot import Origin, Slot, environment

_LOOKS_EVERY = 0.2
"""Seconds."""

_BY_ITS_VALUES = ("E404", "E506")
"""A stage says so of what is no number, and of too little memory: other values may do."""

_BY_REQUIRE = ("E410", "E411")
"""Evaluate says so."""

_BY_BEST_METRIC = ("E411",)
"""Train says so of a `metric_for_best_model` that validation rows do not define."""


@dataclass(frozen=True)
class Job:
    """All that a process needs to run a trial."""

    number: int
    experiment: str
    spec: str
    params: str
    """The text of params.yaml."""
    slot: Slot
    log: Path
    """What DVC and the stages say."""
    objective: Objective
    rule: MedianRule | None

    def plain(self) -> dict[str, Any]:
        """For `of`, as JSON has it."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return found

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Job":
        """What `plain` was of."""
        origin = dict(found["slot"]["origin"])
        origin |= {"top": Path(origin["top"]), "cache": Path(origin["cache"])}
        rule = found["rule"]
        return cls(
            **dict(found)
            | {
                "slot": Slot(Path(found["slot"]["folder"]), Origin(**origin)),
                "log": Path(found["log"]),
                "objective": Objective(**found["objective"]),
                "rule": MedianRule(**rule) if rule else None,
            }
        )


def worker_log(job: Job) -> Path:
    """What the process of a trial says of its own errors."""
    return job.log.with_suffix(".worker.txt")


def run_trial(job: Job) -> Outcome:
    """Run a trial, and leave it in the project's repository as an experiment.

    Raises EnvironmentFault (E240) where it fails for another reason than its values.
    """
    with job.slot.held():
        return _run(job)


def _run(job: Job) -> Outcome:
    began = time.monotonic()
    project = job.slot.project
    job.slot.prepare()
    (project / layout.PARAMS_FILE).write_text(job.params, encoding="utf-8")
    command = ("dvc", "exp", "run", "--name", job.experiment, f"{job.spec}-evaluate")
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=project, env=environment(), stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            curve, end = _watched(job, process)
        except BaseException:
            stop(process.pid)
            raise
    said = job.log.read_text(encoding="utf-8", errors="replace")
    # Else what is there may be the curve of another trial: DVC puts outputs of the commit there.
    is_trained = process.returncode == 0 or _is_evaluated(job, said)
    if end is None and is_trained:  # it may have been faster than the looks at it
        curve = max(curve, _curve(job, project / layout.curve(job.spec, "validation")), key=len)
        end = job.rule.stops_at(curve) if job.rule else None
    seconds = round(time.monotonic() - began, 1)
    if end is not None:
        return Outcome(job.number, State.PRUNED, curve[end - 1], curve[:end], "", seconds)
    return _ended(job, process.returncode, said, curve, seconds)


def _watched(job: Job, process: "subprocess.Popen[bytes]") -> tuple[Sequence[float], int | None]:
    """Wait for the end, or stop what the rule stops; the curve, and where it was stopped."""
    curve: Sequence[float] = ()
    while True:
        try:
            process.wait(_LOOKS_EVERY)
        except subprocess.TimeoutExpired:
            pass
        else:
            return curve, None
        now = _curve(job, _growing(job)) if job.rule else ()
        if job.rule and len(now) > len(curve):
            curve = now
            if (end := job.rule.stops_at(curve)) is not None:
                kill_all(process.pid)
                process.wait()
                return curve, end


def _growing(job: Job) -> Path:
    """Where train writes the curve meanwhile."""
    work = job.slot.project / layout.WORK_FOLDER / "work" / f"{job.spec}-train"
    return work / "validation" / Path(layout.curve(job.spec, "validation")).name


def _curve(job: Job, path: Path) -> Sequence[float]:
    """The metric at each measurement, as far as lines are whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return ()
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return [float(row[job.objective.column]) for row in rows if job.objective.column in row]


def _ended(job: Job, code: int, said: str, curve: Sequence[float], seconds: float) -> Outcome:
    is_evaluated = _is_evaluated(job, said)
    failing = (*_BY_ITS_VALUES, *(() if is_evaluated else _BY_BEST_METRIC))
    known = (*failing, *(_BY_REQUIRE if is_evaluated else ()))
    wrong = next((c for c in known if f"error[{c}]: " in said), None)
    told = said.partition(f"[{wrong}]: ")[2].partition("\n")[0]
    if code and wrong in failing:
        return Outcome(job.number, State.FAILED, None, curve, f"{wrong}: {told}", seconds)
    if code and wrong is None:
        raise EnvironmentFault.of(
            "E240",
            f"trial {job.experiment} ended with exit code {code}: {_last_error(said)}",
            f"{job.log} has all of it; put that right and run the sweep again: it goes on",
        )
    value = _value(job)
    if code:
        return Outcome(job.number, State.REJECTED, value, curve, f"{wrong}: {told}", seconds)
    remote = str(job.slot.origin.top)
    push = ("dvc", "exp", "push", "--force", "--no-cache", remote, job.experiment)
    call(*push, folder=job.slot.project, environment=environment())
    if value is None:
        reason = f"{job.objective} is not defined on these rows"
        return Outcome(job.number, State.FAILED, None, curve, reason, seconds)
    return Outcome(job.number, State.COMPLETE, value, curve, "", seconds)


def _is_evaluated(job: Job, said: str) -> bool:
    """Whether training has ended, and evaluate has begun."""
    return f"Running stage '{job.spec}-evaluate'" in said


def _value(job: Job) -> float | None:
    path = job.slot.project / layout.metrics(job.spec)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["validation"]
    except (OSError, ValueError, KeyError) as error:
        message = f"{path} of trial {job.experiment} cannot be read: {reason(error)}"
        raise EnvironmentFault.of("E240", message, f"{job.log} tells more") from None
    value: float | None = found.get(job.objective.metric)
    return value


def _last_error(said: str) -> str:
    lines = [line for line in said.splitlines() if "error[" in line or line.startswith("ERROR")]
    return lines[0] if lines else "DVC did not say why"
