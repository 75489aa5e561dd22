"""The merge driver in a git repository: its lines of .gitattributes, and its settings in the clone.

The lines are committed and are everybody's. Settings of git are not: a program that a repository
could name would run on each machine that clones it. Where they are missing, git merges by lines.
"""

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bertspec.core.errors import EnvironmentFault
from bertspec.core.files import write_if_changed
from bertspec.core.program import Answer, ask
from bertspec.pipeline.layout import (
    DVC_FILE,
    DVC_LOCK,
    LOCK_FILE,
    PARAMS_FILE,
    metrics,
    parity,
    plot,
    seeds,
)

ATTRIBUTES = ".gitattributes"
DRIVER = "bertspec"

_MERGED = (
    LOCK_FILE, DVC_LOCK, DVC_FILE, PARAMS_FILE,
    metrics("*"), metrics("*/seeds/*"), seeds("*"), parity("*"), plot("*", "*"),
)  # fmt: skip
_IGNORED = ("data/**/.gitignore", "models/**/.gitignore")
"""DVC adds a line for each output, so that both sides often add one in the same place."""

_BEGIN = "# begin: written by `bertspec setup-git`, which takes it away with --remove\n"
_END = "# end of `bertspec setup-git`\n"
_BLOCK = re.compile(rf"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_LINES = "".join(
    [
        _BEGIN,
        *(f"/{path} merge={DRIVER}\n" for path in _MERGED),
        *(f"/{path} merge=union\n" for path in _IGNORED),
        _END,
    ]
)


@dataclass(frozen=True)
class GitSetup:
    """What git has of the driver for a project."""

    attributes: bool
    """Whether the lines of .gitattributes are there, and hold."""
    driver: str | None
    """The command in this clone's settings."""

    @property
    def runs(self) -> bool:
        """Whether the driver's program is there."""
        found = re.match(r"if \[ -x (\S+|'[^']*') \]", self.driver or "")
        return found is not None and Path(shlex.split(found[1])[0]).is_file()


def read_setup(root: Path) -> GitSetup:
    """What is set up. Raises EnvironmentFault (E228) where there is no git repository."""
    answer = _git(root, "check-attr", "merge", "--", *_MERGED[:4])
    values = [line.rpartition(": ")[2] for line in answer.out.splitlines()]
    driver = ask("git", "config", "--get", f"merge.{DRIVER}.driver", folder=root)
    return GitSetup(
        attributes=_LINES in _read(root) and set(values) == {DRIVER},
        driver=driver.out.removesuffix("\n") if driver.code == 0 else None,
    )


def missing(root: Path) -> list[str]:
    """What `set_up` would write. Raises EnvironmentFault (E228) as `read_setup` does."""
    setup = read_setup(root)
    found = [] if setup.attributes else [f"the lines of {ATTRIBUTES}"]
    return found if setup.driver == driver_command() else [*found, f"git's merge.{DRIVER}.driver"]


def set_up(root: Path) -> None:
    """Write what is missing.

    Raises EnvironmentFault (E228): there is no git repository, git refuses, or other attributes,
    such as those of .git/info/attributes, hide the lines.
    """
    _git(root, "rev-parse", "--git-dir")
    write_if_changed(root / ATTRIBUTES, _with_lines(_read(root)))
    _git(root, "config", f"merge.{DRIVER}.name", "bertspec: by stage and key")
    _git(root, "config", f"merge.{DRIVER}.driver", driver_command())
    if not read_setup(root).attributes:
        raise EnvironmentFault.of(
            "E228",
            f"other attributes hide the lines that are now in {ATTRIBUTES}",
            f"`git check-attr merge {DVC_FILE}` shows what holds; see .git/info/attributes",
        )


def take_away(root: Path) -> None:
    """Remove what `set_up` wrote. Raises EnvironmentFault (E228) as `read_setup` does."""
    setup, text = read_setup(root), _read(root)
    left = _BLOCK.sub("", text)
    if text and not left.strip():
        (root / ATTRIBUTES).unlink()
    elif left != text:
        write_if_changed(root / ATTRIBUTES, left)
    if setup.driver is not None:
        _git(root, "config", "--remove-section", f"merge.{DRIVER}")


def driver_command() -> str:
    """What git runs: this bertspec or, once it is gone, git's own merge.

    Raises EnvironmentFault (E228) for a bertspec that is no program.
    """
    beside = Path(sys.executable).parent / "bertspec"
    program = str(beside) if beside.is_file() else shutil.which("bertspec")
    if program is None:
        raise EnvironmentFault.of(
            "E228", "`bertspec` is not on the PATH", "install it, or activate"
        )
    # git replaces %O, %A, %B and %P, which it quotes itself.
    path = shlex.quote(program).replace("%", "%%")
    own = "git merge-file -L ours -L base -L theirs %A %O %B"
    return f"if [ -x {path} ]; then {path} merge-file %O %A %B %P; else {own}; fi"


def _with_lines(text: str) -> str:
    """The text with the lines in their place, or at its end, where they hold over what is above."""
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: _LINES, text)
    return text + ("\n" if text and not text.endswith("\n") else "") + _LINES


def _read(root: Path) -> str:
    path = root / ATTRIBUTES
    # In any encoding: git takes the bytes as they are.
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""


def _git(root: Path, *arguments: str) -> Answer:
    answer = ask("git", *arguments, folder=root)
    if answer.code:
        advice = "run it inside of the project's git repository; `git init` makes one"
        raise EnvironmentFault.of("E228", f"git: {answer.problem}", advice)
    return answer
