"""Run a program of the machine, and take no harm from what it does."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bertspec.core.errors import EnvironmentFault

_OF_ONE_REPOSITORY = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR",
        "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)  # fmt: skip
"""`git rev-parse --local-env-vars`, without options, which hold in any repository."""


def in_another_repository() -> dict[str, str]:
    """The environment for git, and what runs it, in another repository than the user's: with what
    a hook or an alias says of that one, git would work there, wherever it is run.
    """
    return {key: value for key, value in os.environ.items() if key not in _OF_ONE_REPOSITORY}


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


def ask(
    *command: str,
    folder: Path,
    seconds: float | None = 60,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """Run `command` in a folder, in English and without a terminal, and at most `seconds` long.

    The environment is that of this process, where none is given.
    """
    given = os.environ if environment is None else environment
    try:
        result = subprocess.run(
            command, cwd=folder, env={**given, "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
            capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(-1, "", f"it did not end within {seconds} seconds")
    except OSError as error:
        return Answer(-1, "", error.strerror or str(error))
    return Answer(result.returncode, result.stdout, result.stderr)


def call(*command: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What git or DVC prints, however long it takes.

    Raises EnvironmentFault (E240) where it fails, with what it says.
    """
    answer = ask(*command, folder=folder, seconds=None, environment=environment)
    if answer.code:
        what = " ".join(word for word in command[:3] if not word.startswith("-"))
        said = answer.problem.removeprefix("ERROR: ")
        raise EnvironmentFault.of(
            "E240", f"`{what}` failed in {folder}: {said}", "put that right, and run this again"
        )
    return answer.out
