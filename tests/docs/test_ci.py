"""The examples for CI: they are what their system reads, and say commands that there are."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from bertspec.cli import COMMANDS, cli
from bertspec.core.yaml import load_plain
from bertspec.diffing.comment import MARK
from tests.docs.blocks import blocks
from tests.projects import Project

CI = Path(__file__).parents[2] / "docs/ci"
FILES = sorted(CI.iterdir())

GH = """#!/bin/bash
if [ "$2" = --paginate ]; then jq -r "$5" listed.json; else printf '%s\\n' "$@" > said; fi
"""


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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_bertspec_is_installed_as_the_page_shows(file: Path) -> None:
    """In a repository of a user, which has nothing of this one but constraints.txt."""
    page = (CI.parent / "packaging.md").read_text(encoding="utf-8")
    shown = [b.body.strip() for b in blocks(page) if "bertspec[train] @" in b.body]
    value = load_plain(file.read_text(encoding="utf-8"))
    lines = [line for script in _scripts(value) for line in script.splitlines()]
    assert [line for line in lines if "pip install" in line] == shown
    assert "and bertspec's constraints.txt into your repository" in file.read_text("utf-8")


COMMENTS = [
    ("github-actions[bot]", f"{MARK}\n### old"),
    ("github-actions[bot]", "<!-- another job -->"),
    ("somebody", f"{MARK}\n### copied"),
]


@pytest.mark.skipif(not shutil.which("jq"), reason="gh has jq built in")
@pytest.mark.parametrize(("comments", "said"), [
    (COMMENTS, ["api", "--silent", "--method", "PATCH", "repos/a/b/issues/comments/100",
                "--field", "body=@comment.md"]),
    (COMMENTS[1:], ["pr", "comment", "7", "--body-file", "comment.md"]),
])  # fmt: skip
def test_the_comment_of_last_time_is_found_among_others(
    project: Project, comments: list[tuple[str, str]], said: list[str]
) -> None:
    """The script of the step, with a `gh` that lists these comments and writes down the rest."""
    value = load_plain((CI / "github-actions.yml").read_text(encoding="utf-8"))
    (step,) = (s for s in value["jobs"]["compare"]["steps"] if s.get("name") == "Comment")
    assert "head.repo.full_name == github.repository" in step["if"]
    listed = [
        {"id": 100 + i, "user": {"login": user}, "body": body}
        for i, (user, body) in enumerate(comments)
    ]
    (project.root / "listed.json").write_text(json.dumps(listed), encoding="utf-8")
    (project.root / "comment.md").touch()
    program = project.root / "programs" / "gh"
    program.parent.mkdir()
    program.write_text(GH, encoding="utf-8")
    program.chmod(0o755)
    project.run(
        "bash", "-e", "-c", step["run"],
        GITHUB_REPOSITORY="a/b", NUMBER="7", GITHUB_SERVER_URL="", GITHUB_RUN_ID="1",
        PATH=f"{program.parent}:{os.environ['PATH']}",
    )  # fmt: skip
    assert (project.root / "said").read_text(encoding="utf-8").splitlines() == said


def test_no_text_of_a_pull_request_is_put_into_a_script() -> None:
    """A branch may be called `$(rm -rf .)`: what comes from outside is a variable, in quotes."""
    value = load_plain((CI / "github-actions.yml").read_text(encoding="utf-8"))
    assert not [script for script in _scripts(value) if "${{" in script]
