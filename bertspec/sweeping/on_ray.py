"""Trials on a cluster of Ray, whose machines all see the project's folder."""

import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from bertspec.core.errors import EnvironmentFault, reason
from bertspec.core.packages import of_extra
from bertspec.pipeline.lock import Lock
from bertspec.runtime.child import tell
from bertspec.sweeping.engine import Runner, gone, outcome_of
from bertspec.sweeping.record import Outcome
from bertspec.sweeping.trial import Job


class Cluster:
    """So many trials at a time, each where Ray has cores for its locked threads, and a GPU where
    the lock is for one.
    """

    def __init__(self, address: str, jobs: int, lock: Lock) -> None:
        """Raises EnvironmentFault: E502 where Ray is not installed, E240 for no such cluster."""
        self._ray = _require_ray()
        host, colon, port = address.rpartition(":")
        try:
            if colon and port.isdecimal():  # which Ray would try to reach for minutes
                socket.create_connection((host.rpartition("/")[2], int(port)), 10).close()
            self._ray.init(address, log_to_driver=False, logging_level="error")
        except Exception as error:  # noqa: BLE001 - Ray raises Exception itself, too
            raise EnvironmentFault.of(
                "E240",
                f"there is no Ray cluster at {address}: {reason(error)}",
                "`ray start --head` starts one, and tells its address",
            ) from None
        # Not again by Ray: a trial that was cut off goes on when the sweep is run again.
        gpus = 1 if lock.device == "cuda" else 0
        needs = {"num_cpus": lock.threads, "num_gpus": gpus}
        self._task = self._ray.remote(**needs, max_retries=0)(_run)
        self._running: dict[Any, Job] = {}
        self._pool = ThreadPoolExecutor(jobs)

    def submit(self, job: Job) -> "Future[Outcome]":
        reference = self._task.remote(job.plain())
        self._running[reference] = job
        return self._pool.submit(self._wait, reference)

    def close(self) -> None:
        for reference in [*self._running]:
            self._ray.cancel(reference)
        self._pool.shutdown()
        self._ray.shutdown()

    def _wait(self, reference: Any) -> Outcome:
        job = self._running[reference]
        try:
            line = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            line = tell(gone(job, reason(error)))
        finally:
            del self._running[reference]
        return outcome_of(line)


def _run(job: dict[str, Any]) -> str:
    """What a machine of the cluster does: what a process of this machine does, too."""
    runner = Runner()
    try:
        return runner.run(Job.of(job))
    finally:
        runner.close()


def _require_ray() -> Any:
    with of_extra("ray", ("ray",), "--ray needs"):
        import ray
    return ray
