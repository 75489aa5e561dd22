"""Training in several processes of one machine: who starts them, ends them, and tells of them.

Each has the whole model, computes some shards of each step, and takes the same optimizer step. The
stage's own process is the first, and alone writes anything.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from bertspec.core.errors import BertspecError, EnvironmentFault, InputError, reason
from bertspec.pipeline.params.train import TrainParams
from bertspec.runtime.child import Child, told
from bertspec.runtime.context import Context
from bertspec.runtime.training.team import ALONE, Member, Team

READY = "ready\n"
"""What another process says when it only waits for the others to begin."""

LOST = 75
"""Its exit code when it ends because another one is gone."""

_WORKER = "bertspec.runtime.training.worker"

_GRACE = 10.0
"""Seconds for the cause to be seen, when a connection is closed."""


class First(Member):
    """The process that started the others, and tells why one of them has ended."""

    def __init__(self, file: Path, others: "Sequence[_Other]") -> None:
        super().__init__(0, 1 + len(others), file, self._hear)
        self._others = others

    def _hear(self) -> None:
        """Wait for the others to say that they are ready."""
        if not all(other.is_ready() for other in self._others):
            self._lose(None)

    def _lose(self, error: RuntimeError | None) -> NoReturn:
        """Raise what another process did, or EnvironmentFault (E507) that it is gone."""
        end = time.monotonic() + _GRACE
        while time.monotonic() < end:
            for other in self._others:
                if found := other.error():
                    raise found from None
            time.sleep(0.05)
        why = reason(error) if error else "it does not answer"
        raise gone(f"a training process has lost the others: {why}")


class _Other(Child):
    """A process that was started."""

    def __init__(self, rank: int, job: Mapping[str, Any], folder: Path) -> None:
        self._rank, self._said = rank, ""
        super().__init__(_WORKER, folder / f"{rank}.txt", {**job, "rank": rank})

    def is_ready(self) -> bool:
        """Wait for it to say so; False when it has said or done something else."""
        self._said = self.hear()
        return self._said == READY

    def error(self) -> BertspecError | None:
        """Why it has ended; None when it has not, or because of another one."""
        if self.code() in (None, LOST):
            return None
        *_, last = (self._said, *iter(self.hear, ""))
        if last and last != READY:
            return told(last)
        return gone(f"training process {self._rank + 1} has ended with {self.how()}")


def gone(message: str) -> BertspecError:
    """The error for a process that is gone."""
    return EnvironmentFault.of(
        "E507",
        message,
        "run it again: it goes on from the last checkpoint; if memory was short, lower "
        "`training.execution.processes`, which changes no result",
    )


@contextlib.contextmanager
def processes(context: Context[TrainParams], key: str) -> Iterator[Team]:
    """All processes of the training that the context asks for; `key` is that of checkpoints.

    Those that are started end with the block. Raises InputError (E203) for too few shards.
    """
    size, shards = context.execution.processes, context.params.training.batch.shards
    if size == 1:
        yield ALONE
        return
    if shards < size:
        raise InputError.of(
            "E203",
            f"`training.batch.shards` is {shards}, too few for {size} processes",
            "put it right in the spec and run `bertspec compile`",
        )
    context.work.mkdir(parents=True, exist_ok=True)
    others: list[_Other] = []
    with TemporaryDirectory(dir=context.work) as name:
        folder = Path(name)
        job = as_job(context) | {"key": key, "file": str(folder / "store")}
        first = None
        try:
            others.extend(_Other(rank, job, folder) for rank in range(1, size))
            first = First(folder / "store", others)
            yield first
        finally:
            for other in others:
                other.end()
            if first:
                first.leave()


def as_job(context: Context[TrainParams]) -> dict[str, Any]:
    """What another process needs of the context, for `from_job`."""
    paths = {role: str(path) for role, path in context.inputs.items()}
    return {
        "stage": context.stage,
        "params": context.params.model_dump(mode="json"),
        "root": str(context.root),
        "inputs": paths,
        "threads": context.threads,
        "identity": context.identity,
        "device": context.device,
        "execution": context.execution.model_dump(mode="json"),
    }


def from_job(job: Mapping[str, Any]) -> Context[TrainParams]:
    """The context of another process: with no outputs, and nothing to show."""
    from bertspec.pipeline.params.execution import Execution
    from bertspec.runtime.reuse import Reuse

    root = Path(job["root"])
    execution = Execution.model_validate(job["execution"])
    return Context(
        job["stage"],
        TrainParams.model_validate(job["params"]),
        root,
        {role: Path(path) for role, path in job["inputs"].items()},
        {},
        job["threads"],
        job["identity"],
        Reuse(root),
        job["device"],
        execution.model_copy(update={"tensorboard": None}),
    )
