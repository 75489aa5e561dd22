"""Run the code of a page of the documentation, and compare what it shows of a terminal.

Blocks of `sh` and `python` must succeed. A block ```` ```console ```` has commands behind `$ ` and
what they print. `...` stands for any lines, or for a part of one. Numbers with a decimal point are
compared roughly, as another processor rounds otherwise; names of commits are not compared. A block
with a `title` is a file.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import BLOCK

_COMMIT = re.compile(r"(?<![.\w])(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}\b")
_DECIMAL = re.compile(r"(\d+\.\d+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass(frozen=True)
class Command:
    """One command of a block, and the lines that it is said to print."""

    text: str
    expected: tuple[str, ...]


def run_page(path: Path, folder: Path, environment: dict[str, str]) -> str:
    """Do what the page does, beginning in a folder. Gives the page with what was really printed.

    Raises AssertionError for a command that fails where the page does not show `echo $?`.
    """
    shell = _Shell(folder, environment)

    def real(block: re.Match[str]) -> str:
        if block["mark"]:
            return block[0]
        if title := block["title"]:
            shell.write(title, block["body"])
        elif block["language"] == "sh":
            shell.run("bash", "-euo", "pipefail", "-c", block["body"])
        elif block["language"] == "python":
            shell.run(sys.executable, "-c", block["body"])
        elif block["language"] == "console":
            commands_ = commands(block["body"])
            lines = [line for command in commands_ for line in shell.answered(command)]
            return "```console\n" + "".join(f"{line}\n" for line in lines) + "```"
        return block[0]

    return BLOCK.sub(real, path.read_text(encoding="utf-8"))


def commands(body: str) -> Iterator[Command]:
    """The commands of a block; a line that ends with a backslash goes on in the next one."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        count = next(i for i, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield Command("\n".join(lines[:count]), tuple(lines[count:]))


def is_like(expected: tuple[str, ...], found: tuple[str, ...]) -> bool:
    """Whether lines are those of a page."""
    if not expected:
        return not found
    if expected[0] == "...":
        return any(is_like(expected[1:], found[i:]) for i in range(len(found) + 1))
    return bool(found) and _line_is_like(expected[0], found[0]) and is_like(expected[1:], found[1:])


def _line_is_like(expected: str, found: str) -> bool:
    pattern, values = "", []
    for part in re.split(r"(\d+\.\d+|\.\.\.)", _COMMIT.sub("COMMIT", expected)):
        if part == "...":
            pattern += ".*"
        elif _DECIMAL.fullmatch(part):
            pattern += r"(\d+\.\d+)"
            values.append(float(part))
        else:
            pattern += r"\s+".join(map(re.escape, re.split(r"\s+", part)))
    match = re.fullmatch(pattern, _COMMIT.sub("COMMIT", found))
    if match is None:
        return False
    pairs = zip(values, map(float, match.groups()), strict=True)
    return all(abs(a - b) <= (max(0.02, 0.02 * a) if a > 0.1 else 0.1 * a) for a, b in pairs)


class _Shell:
    """Where the commands of a page run."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def write(self, title: str, body: str) -> None:
        file = self._folder / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body, encoding="utf-8")

    def run(self, *program: str, code: int | None = 0) -> str:
        """What a program says, which must end with the code."""
        result = subprocess.run(
            program, cwd=self._folder, env=os.environ | self._environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=1200,
        )  # fmt: skip
        assert code is None or result.returncode == code, f"{program[-1]}\n{result.stdout}"
        return result.stdout

    def answered(self, command: Command) -> Iterator[str]:
        """The command, and what the page says of it if that is so, else what it printed."""
        yield from f"$ {command.text}".splitlines()
        if command.text.startswith("cd "):
            self._folder /= command.text.removeprefix("cd ")
            return
        code = None if "$?" in command.text else 0
        said = self.run("bash", "-o", "pipefail", "-c", command.text, code=code)
        found = tuple(line.rstrip() for line in _ESCAPES.sub("", said).splitlines())
        yield from command.expected if is_like(command.expected, found) else found
