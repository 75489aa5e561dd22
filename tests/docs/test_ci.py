"""The examples for CI: they are what their system reads, and say commands that there are."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from bertspec.cli import COMMANDS, cli
from bertspec.core.yaml import load_plain

CI = Path(__file__).parents[2] / "docs/ci"
FILES = sorted(CI.iterdir())


def _scripts(value: Any) -> Iterator[str]:
    """Every text below `run`, `script` and the like."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("run", "script", "after_script"):
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from _scripts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scripts(inner)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_commands_are_ours(file: Path) -> None:
    value = load_plain(file.read_text(encoding="utf-8"))
    lines = [
        line
        for script in _scripts(value)
        for line in re.sub(r"\\\n", " ", script).splitlines()
        if line.startswith("bertspec ")
    ]
    said = set()
    for line in lines:
        _, name, *words = shlex.split(line.partition(">")[0])
        assert name in COMMANDS
        with click.Context(cli) as parent:
            command = cli.get_command(parent, name)
            assert command is not None
            # Raises for an option or a value that the command does not have.
            command.make_context(name, words, parent=parent)
        said.add(name)
    assert said == {"validate", "compile", "compare"}


def test_github_reads_its_file() -> None:
    """As its workflow syntax has it; of what cannot be told without GitHub."""
    value = load_plain((CI / "github-actions.yml").read_text(encoding="utf-8"))
    assert {"name", "on", "permissions", "jobs"} <= value.keys()
    for job in value["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("uses" in step) is not ("run" in step)
            assert step.keys() <= {"name", "uses", "with", "run", "env", "if", "id"}


def test_no_text_of_a_pull_request_is_put_into_a_script() -> None:
    """A branch may be called `$(rm -rf .)`: what comes from outside is a variable, in quotes."""
    value = load_plain((CI / "github-actions.yml").read_text(encoding="utf-8"))
    assert not [script for script in _scripts(value) if "${{" in script]
