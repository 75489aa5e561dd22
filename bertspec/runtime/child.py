"""A module of ours in a process of its own, which takes lines of JSON and answers with lines."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from bertspec.core import errors
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import BertspecError


class Child:
    """The process, as the one that started it sees it.

    Its standard input tells it when this one is gone. What it prints of errors is in `log`.
    """

    def __init__(self, module: str, log: Path, job: Mapping[str, Any]) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                # -P: what is in the project's folder is not in the way of imports.
                [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=file, text=True, encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for this process, which ends the other one
            )  # fmt: skip
        self.tell(job)

    def tell(self, what: Mapping[str, Any]) -> None:
        """Send a line. That it has ended is told when it is heard."""
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).write(json.dumps(what) + "\n")
            _pipe(self._process.stdin).flush()

    def hear(self) -> str:
        """Its next line, or nothing when it has ended."""
        return _pipe(self._process.stdout).readline()

    def code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def how(self) -> str:
        """How it has ended, and the last line that it printed; waits for its end."""
        code = self._process.wait()
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        return ": ".join([how, *last])

    def dismiss(self, seconds: float) -> None:
        """Let it see that it is no longer needed, and end it if it is there after so long."""
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.end()

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what it never read
                _pipe(pipe).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise AssertionError("it was started with pipes")
    return pipe


def tell(error: BertspecError) -> str:
    """A line for `told`."""
    about = [{"code": d.code, "message": d.message, "help": d.help} for d in error.diagnostics]
    return json.dumps({"type": type(error).__name__, "diagnostics": about}) + "\n"


def told(line: str) -> BertspecError:
    """The error that another process had."""
    found = json.loads(line)
    error: BertspecError = getattr(errors, found["type"])(
        [Diagnostic(**about) for about in found["diagnostics"]]
    )
    return error
