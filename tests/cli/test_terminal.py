"""What a person at a terminal has: progress, silence, colours, versions, completion."""

import json
import os
import pty
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from threading import Timer

import pytest

from bertspec.cli import COMMANDS, cli
from tests.projects import Project
from tests.waiting import PATIENCE

PROGRAMS = str(Path(sys.executable).parent)

DOES = {
    "init", "new", "import", "lock", "compile", "stage", "serve", "push-to-hub", "schema",
    "explain-code", "completion", "fmt", "lsp", "setup-git", "merge-file", "ui",
}  # fmt: skip
"""Commands that do something, or print a document; all others report."""


def _at_terminal(project: Project, *command: str, **env: str) -> str:
    """What a program shows on a terminal."""
    ours, theirs = pty.openpty()
    around = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    around |= {"TERM": "xterm-256color", "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        command, cwd=project.root, env=around | env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    limit = Timer(PATIENCE, process.kill)
    limit.start()
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
    except OSError:  # as Linux says that nobody has the terminal any more
        pass
    os.close(ours)
    limit.cancel()
    assert process.wait(timeout=60) == 0, shown
    return shown.decode()


@pytest.mark.parametrize("name", sorted({*COMMANDS} - DOES))
def test_what_reports_has_json(name: str) -> None:
    command = cli.get_command(None, name)  # type: ignore[arg-type] # a context is not looked at
    parts = getattr(command, "commands", {"": command})
    for part in (part for below, part in parts.items() if below != "sign"):
        (option,) = (o for o in part.params if "--format" in o.opts)
        assert "json" in option.type.choices


def test_show_as_json(built: Project) -> None:
    said = json.loads(built.call("show", "--format", "json").stdout)
    places = {"trained", "export", "report"}
    assert said["tiny"]["metrics"] == built.metrics()
    assert said["tiny"]["artifacts"].keys() == places
    assert all((built.root / place).exists() for place in said["tiny"]["artifacts"].values())


def test_quiet_leaves_results_and_errors(project: Project) -> None:
    project.compile()
    for words in (["lock"], ["compile"], ["validate"], ["fmt"], ["fmt", "--check"]):
        said = project.call(*words)
        assert said.stdout
        said = project.call("--quiet", *words)
        assert not said.stdout + said.stderr
    assert project.call("-q", "fields", "training.seed").stdout
    assert "E204" in project.bertspec("-q", "stage", "nothing", code=2)
    assert "exclude each other" in project.bertspec("-q", "-v", "lock", code=2)
    assert project.call("lock").stdout, "it holds for one command alone"


def test_progress_is_shown_at_a_terminal_unless_it_is_to_be_quiet(project: Project) -> None:
    project.compile()
    stage = ("bertspec", "stage", "reviews-fetch")
    assert "\x1b[" in _at_terminal(project, *stage)
    assert not _at_terminal(project, *stage, BERTSPEC_QUIET="1")
    told = _at_terminal(project, *stage, BERTSPEC_VERBOSE="1")
    assert "reviews-fetch: " in told
    assert not project.run(*stage).stderr, "nobody looks at it"


def test_no_color_takes_colours_away(project: Project) -> None:
    fields = ("bertspec", "fields", "training.seed")
    assert "\x1b[" in _at_terminal(project, *fields)
    assert "\x1b[" not in _at_terminal(project, *fields, NO_COLOR="1")


def test_versions_that_matter(project: Project) -> None:
    lines = project.call("--version").stdout.splitlines()
    assert lines[0].startswith("bertspec ")
    assert f"torch {metadata.version('torch')}" in lines
    assert f"dvc {metadata.version('dvc')}" in lines


def _completed(project: Project, words: str) -> set[str]:
    """What bash offers behind words, the last of which is begun."""
    script = (
        'eval "$(bertspec completion bash)"\n'
        f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        '_bertspec_completion bertspec; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return set(project.run("bash", "-c", script).stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("bertspec compl", {"completion"}),
        ("bertspec validate --for", {"--format"}),
        ("bertspec validate --format g", {"github"}),
        ("bertspec predict t", {"tiny"}),
        ("bertspec show t", {"tiny"}),
        ("bertspec attest sign t", {"tiny"}),
        ("bertspec attest verify t", {"tiny"}),
        ("bertspec predict tiny --export o", {"onnx"}),
        ("bertspec serve tiny --export o", {"onnx"}),
        ("bertspec serve tinny --export o", set()),
        ("bertspec stage tiny-tr", {"tiny-train"}),
        ("bertspec explain-code E01", {f"E01{n}" for n in range(7)}),
    ],
)
def test_bash_completes(built: Project, words: str, offered: set[str]) -> None:
    assert _completed(built, words) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_asked_in_their_own_way(built: Project, shell: str) -> None:
    """They are rarely installed: what their script would ask is asked by hand."""
    script = built.run("bertspec", "completion", shell).stdout
    assert f"_BERTSPEC_COMPLETE={shell}_complete" in script
    asked = {
        "_BERTSPEC_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "bertspec show t",
        "COMP_CWORD": "t" if shell == "fish" else "2",
    }
    assert "tiny" in built.run("bertspec", code=None, **asked).stdout
