"""Real processes of `bertspec`, many of them in the time that the imports of one take."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
import pandas, safetensors.torch, sklearn.metrics, torch, transformers.models.bert.modeling_bert
import bertspec.cli.stage, bertspec.runtime.stage, bertspec.runtime.train
from bertspec.cli import main
from bertspec.runtime.training import checkpoints, measurements

SAYS, HEARS = map(int, sys.argv[1:])
def say(): os.write(SAYS, b".")
def hear(): os.read(HEARS, 1)

for line in sys.stdin:
    request = json.loads(line)
    pid = os.fork()
    if not pid:
        os.dup2(os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        exec(request["setup"])
        try:
            main(request["arguments"])
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code)  # to take torch down takes longer than all else
    print(pid, flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(SAYS, b"!")
    print(code, flush=True)
"""
"""Forks before any training, and its forks run the command line. `say` and `hear` are for `setup`,
code that is run before the command, to meet the test at a certain point."""


class Forks:
    """Runs one command after another, in the folder `root`."""

    def __init__(self, root: Path, process: "subprocess.Popen[str]", says: int, hears: int) -> None:
        self._log = root.parent / "stderr.txt"
        self._process, self._says, self._hears = process, says, hears
        self.pid = 0
        self._ended = True

    def start(self, *arguments: str, setup: str = "") -> None:
        request = {"arguments": arguments, "setup": setup, "log": str(self._log)}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        self.pid = int(self._line())
        self._ended = False

    def hear(self) -> bool:
        """Wait until the process says something; False when it has ended instead."""
        self._ended = os.read(self._says, 1) == b"!"
        return not self._ended

    def say(self) -> None:
        os.write(self._hears, b".")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self) -> tuple[int, str]:
        """Wait for the end; exit code, negative for a signal, and what was said."""
        while not self._ended:
            self.hear()
        code, error = int(self._line()), self._log.read_text(encoding="utf-8")
        assert "Traceback" not in error, error
        return code, error

    def stop(self) -> None:
        """End what a failed test has left running."""
        if not self._ended:
            self.send(signal.SIGKILL)
            self.end()

    def run(self, *arguments: str, setup: str = "") -> tuple[int, str]:
        self.start(*arguments, setup=setup)
        return self.end()

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


@contextmanager
def forks(root: Path, **env: str) -> Iterator[Forks]:
    """A process that forks, for the time of the block; `env` is added to its environment."""
    said, says = os.pipe()
    hears, heard = os.pipe()
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(says), str(hears)], cwd=root, pass_fds=(says, hears),
        env=os.environ | env, **options,
    )  # fmt: skip
    try:
        with process:
            found = Forks(root, process, said, heard)
            try:
                yield found
            finally:
                found.stop()
    finally:
        for end in (said, says, hears, heard):
            os.close(end)
