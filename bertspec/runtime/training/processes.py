"""Training in several processes of one machine: who starts them, ends them, and tells of them.

Each has the whole model, computes some shards of each step, and takes the same optimizer step. The
stage's own process is the first, and alone writes anything.
"""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NoReturn

from bertspec.core import errors
from bertspec.core.errors import BertspecError, EnvironmentFault, InputError, reason
from bertspec.pipeline.params.train import TrainParams
from bertspec.runtime.context import Context
from bertspec.runtime.training.team import ALONE, Member, Team

READY = "ready\n"
"""What another process says when it only waits for the others to begin."""

LOST = 75
"""Its exit code when it ends because another one is gone."""

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


class _Other:
    """A process that was started; its standard input tells it when this one is gone."""

    def __init__(self, rank: int, job: Mapping[str, Any], folder: Path) -> None:
        self._rank, self._log = rank, folder / f"{rank}.txt"
        self._said = ""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                # -P: what is in the project's folder is not in the way of imports.
                [sys.executable, "-P", "-m", "bertspec.runtime.training.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                encoding="utf-8", start_new_session=True,
            )  # fmt: skip
        with contextlib.suppress(OSError):  # then it has ended, which is told later
            _pipe(self._process.stdin).write(json.dumps({**job, "rank": rank}) + "\n")
            _pipe(self._process.stdin).flush()

    def is_ready(self) -> bool:
        """Wait for it to say so; False when it has said or done something else."""
        self._said = _pipe(self._process.stdout).readline()
        return self._said == READY

    def error(self) -> BertspecError | None:
        """Why it has ended; None when it has not, or because of another one."""
        code = self._process.poll()
        if code is None or code == LOST:
            return None
        lines = [self._said, *_pipe(self._process.stdout)]
        if lines[-1] and lines[-1] != READY:
            return told(lines[-1])
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        how = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
        return gone(": ".join([f"training process {self._rank + 1} has ended with {how}", *last]))

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what it never read
                _pipe(pipe).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise AssertionError("it was started with pipes")
    return pipe


def gone(message: str) -> BertspecError:
    """The error for a process that is gone."""
    return EnvironmentFault.of(
        "E507",
        message,
        "run it again: it goes on from the last checkpoint; if memory was short, lower "
        "`training.execution.processes`, which changes no result",
    )


def tell(error: BertspecError) -> str:
    """A line for `told`."""
    about = [{"code": d.code, "message": d.message, "help": d.help} for d in error.diagnostics]
    return json.dumps({"type": type(error).__name__, "diagnostics": about}) + "\n"


def told(line: str) -> BertspecError:
    """The error that another process had."""
    from bertspec.core.diagnostics import Diagnostic

    found = json.loads(line)
    error: BertspecError = getattr(errors, found["type"])(
        [Diagnostic(**about) for about in found["diagnostics"]]
    )
    return error


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
