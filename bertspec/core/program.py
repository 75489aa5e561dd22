"""Run a program of the machine, and take no harm from what it does."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bertspec.core.errors import EnvironmentFault


@dataclass(frozen=True)
class Answer:
    """How a program ended."""

    code: int
    """Its exit code; -1 when it could not be run or did not end."""
    out: str
    err: str

    @property
    def problem(self) -> str:
        """The first line that it said of what is wrong."""
        said = self.err.strip().splitlines()
        return said[0] if said else "it failed and did not say why"


def ask(*command: str, folder: Path, seconds: float | None = 60) -> Answer:
    """Run `command` in a folder, in English and without a terminal, and at most `seconds` long."""
    try:
        result = subprocess.run(
            command, cwd=folder, env=os.environ | {"LC_ALL": "C"}, stdin=subprocess.DEVNULL,
            capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(-1, "", f"it did not end within {seconds} seconds")
    except OSError as error:
        return Answer(-1, "", error.strerror or str(error))
    return Answer(result.returncode, result.stdout, result.stderr)


def call(*command: str, folder: Path) -> str:
    """What git or DVC prints, however long it takes.

    Raises EnvironmentFault (E240) where it fails, with what it says.
    """
    answer = ask(*command, folder=folder, seconds=None)
    if answer.code:
        what = " ".join(word for word in command[:3] if not word.startswith("-"))
        said = answer.problem.removeprefix("ERROR: ")
        raise EnvironmentFault.of(
            "E240", f"`{what}` failed in {folder}: {said}", "put that right, and run this again"
        )
    return answer.out
