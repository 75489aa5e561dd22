"""Who runs trials: processes of this machine, or a cluster of Ray."""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

from bertspec.core.errors import BertspecError, EnvironmentFault
from bertspec.runtime.child import Child, tell, told
from bertspec.sweeping.record import Outcome, State
from bertspec.sweeping.trial import Job, worker_log

_PATIENCE = 90.0
"""Seconds for a process to end its trial, which may have a checkpoint to write."""

_LOOKS_EVERY = 0.2


class Engine(Protocol):
    """Runs trials beside each other."""

    def submit(self, job: Job) -> "Future[Outcome]":
        """Run a trial. Its future raises EnvironmentFault (E240) for one that cannot be run."""

    def close(self) -> None:
        """End what runs: each training keeps its checkpoint."""


class Runner:
    """Starts a process for each trial, and can end them all."""

    def __init__(self) -> None:
        self._children: set[Child] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def run(self, job: Job) -> str:
        """What it answers, for `outcome_of`."""
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if self._is_closed:
                return tell(gone(job, "the end of the sweep"))
            log = worker_log(job)
            child = Child("bertspec.sweeping.worker", log, job.plain())
            self._children.add(child)
        try:
            line = _heard(child)
            is_answer = bool(line)
            line = line or tell(gone(job, child.how()))
        except BaseException:  # what Ray raises here when a task is cancelled
            child.dismiss(_PATIENCE)
            raise
        finally:
            with self._lock:
                self._children.discard(child)
            child.end()
        if is_answer and "outcome" in json.loads(line):  # else it may tell more
            log.unlink(missing_ok=True)
        return line

    def close(self) -> None:
        """End all, each of which keeps what it can go on from."""
        with self._lock:
            self._is_closed = True
            children = [*self._children]
        threads = [threading.Thread(target=c.dismiss, args=(_PATIENCE,)) for c in children]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class ThisMachine:
    """So many trials at a time, each in a process of its own."""

    def __init__(self, jobs: int) -> None:
        self._runner = Runner()
        self._pool = ThreadPoolExecutor(jobs)

    def submit(self, job: Job) -> "Future[Outcome]":
        return self._pool.submit(lambda: outcome_of(self._runner.run(job)))

    def close(self) -> None:
        self._runner.close()
        self._pool.shutdown(cancel_futures=True)


def _heard(child: Child) -> str:
    """What it says in the end; meanwhile this thread can be interrupted from within the process,
    as a call that waits in the system cannot.
    """
    answer: Future[str] = Future()
    threading.Thread(target=lambda: answer.set_result(child.hear()), daemon=True).start()
    while not wait([answer], _LOOKS_EVERY).done:
        pass
    return answer.result()


def outcome_of(line: str) -> Outcome:
    """What a process answered. Raises the error that it had."""
    answer = json.loads(line)
    if "outcome" not in answer:
        raise told(line)
    outcome = answer["outcome"]
    return Outcome(**outcome | {"state": State(outcome["state"])})


def gone(job: Job, how: str) -> BertspecError:
    """The error for a process that ended without an answer."""
    return EnvironmentFault.of(
        "E240",
        f"the process of trial {job.experiment} has ended with {how}",
        "run the sweep again: it goes on where it was",
    )
