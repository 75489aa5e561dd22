"""The process of one format, as the one that started it sees it."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self

from bertspec.core.errors import BertspecError, EnvironmentFault
from bertspec.runtime.benching.formats import Format
from bertspec.runtime.benching.ids import Vocabulary
from bertspec.runtime.training.processes import told

_WORKER = "bertspec.runtime.benching.worker"


class Process:
    """It ends with the block, and with this process, whatever it is doing."""

    def __init__(
        self, format: Format, task: Mapping[str, Any], vocabulary: Vocabulary, threads: int,
        log: Path,
    ) -> None:  # fmt: skip
        self._name, self._log = format.name, log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                # -P: what is in the project's folder is not in the way of imports.
                [sys.executable, "-P", "-m", _WORKER], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=file, text=True, encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for this process, which ends the other one
            )  # fmt: skip
        about = {"name": format.name, "kind": format.kind, "path": str(format.path)}
        self._tell({**about, "task": task, "threads": threads, "vocabulary": asdict(vocabulary)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what it never read
                _pipe(pipe).close()

    def loaded(self) -> dict[str, Any]:
        """`load`, the seconds that it took; or `missing`, the package that it needs.

        Raises the error that it had.
        """
        return self._hear()

    def take(self, batch: int, tokens: int, seconds: float) -> dict[str, Any]:
        """A turn: `times` of runs, in seconds, and `peak`, of memory in bytes."""
        self._tell({"batch": batch, "tokens": tokens, "seconds": seconds})
        return self._hear()

    def _tell(self, what: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # then it has ended, which is told when it is heard
            _pipe(self._process.stdin).write(json.dumps(what) + "\n")
            _pipe(self._process.stdin).flush()

    def _hear(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise self._gone()
        found: dict[str, Any] = json.loads(line)
        if "diagnostics" in found:
            raise told(line)
        return found

    def _gone(self) -> BertspecError:
        code = self._process.wait()
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        said = ": ".join([f"the process of {self._name} has ended with {how}", *last])
        return EnvironmentFault.of(
            "E479", said, "if memory was short, lower --batch or --tokens, and run it again"
        )


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise AssertionError("it was started with pipes")
    return pipe
