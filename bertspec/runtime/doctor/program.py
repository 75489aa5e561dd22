"""Run a program of the machine, and take no harm from what it does."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bertspec.runtime.doctor.line import Line, State

SECONDS = 60
"""After which a program that does not end is stopped."""


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


def ask(*command: str, folder: Path) -> Answer:
    """Run `command` in a folder, in English and without a terminal."""
    try:
        result = subprocess.run(
            command, cwd=folder, env=os.environ | {"LC_ALL": "C"}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(-1, "", f"it did not end within {SECONDS} seconds")
    except OSError as error:
        return Answer(-1, "", error.strerror or str(error))
    return Answer(result.returncode, result.stdout, result.stderr)


def no_repository(group: str, answer: Answer, none: str, more: str, *, needed: bool) -> Line:
    """The line on a repository that the program of `group` did not find or cannot read.

    `none` is what it says where there is none, and `more` a command that says more.
    """
    facts = {"root": None}
    if none not in answer.err:
        advice = f"put right what {group} says; {more} says more"
        return Line(group, "repository", State.WRONG, answer.problem, advice, facts)
    if needed:
        advice = "`bertspec init` makes one and touches nothing that is there"
        return Line(group, "repository", State.WRONG, "this is none", advice, facts)
    return Line(group, "repository", State.NOTE, "this is none", facts=facts)
