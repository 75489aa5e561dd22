"""What other tools run of bertspec: hooks of pre-commit, and the action of GitHub."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator
from pre_commit.clientlib import load_manifest

from bertspec.core.yaml import load_plain
from tests.docs.blocks import blocks
from tests.docs.command_lines import command_lines, problem
from tests.packaging.conftest import REPOSITORY
from tests.projects import Project

HOOKS = REPOSITORY / ".pre-commit-hooks.yaml"
ACTION: dict[str, Any] = load_plain((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
STEPS = [step for step in ACTION["runs"]["steps"] if step.get("name", "").startswith("bertspec")]


def test_hooks_are_of_the_form_of_pre_commit_and_commands_of_ours() -> None:
    hooks = {hook["id"]: hook for hook in load_manifest(str(HOOKS))}
    assert set(hooks) == {"bertspec-validate", "bertspec-fmt", "bertspec-compile-check"}
    for hook in hooks.values():
        (words,) = command_lines(hook["entry"])
        assert problem(words) is None
        pattern = re.compile(hook["files"])
        assert pattern.search("specs/datasets/reviews.yaml")
        assert pattern.search("specs/a.json")
        assert not pattern.search("data/reviews.csv")
    assert re.search(hooks["bertspec-compile-check"]["files"], "bertspec.lock")


@pytest.mark.e2e
@pytest.mark.thorough
def test_pre_commit_installs_and_runs_the_hooks(project: Project, tmp_path: Path) -> None:
    """From this repository, as it is now, into environments of their own."""
    project.compile()
    project.bertspec("fmt")
    project.run("git", "init", "--quiet")
    project.commit()

    def hooks(code: int) -> str:
        command = ("pre-commit", "try-repo", str(REPOSITORY), "--all-files")
        home = str(tmp_path / "pre-commit")
        return project.run(*command, code=code, PRE_COMMIT_HOME=home, PYTHONPATH="").stdout

    assert hooks(0).count("Passed") == 3
    spec = project.root / "specs" / "tiny.json"
    spec.write_text(spec.read_text().replace('"max_length": 32', '"max_length": 16'))
    said = hooks(1)
    assert re.findall(r"^(bertspec.*?)\.+Failed", said, re.MULTILINE) == [
        "bertspec compile --check"
    ]
    spec.write_text(spec.read_text().replace("max_length", "max_lenth"))
    assert "E010" in hooks(1)


def test_the_action_is_one_by_the_schema_of_github() -> None:
    schema = get_builtin_schema("vendor.github-actions")
    assert [error.message for error in Draft7Validator(schema).iter_errors(ACTION)] == []


def test_the_page_shows_hooks_and_an_action_that_there_are() -> None:
    page = (REPOSITORY / "docs" / "packaging.md").read_text(encoding="utf-8")
    shown = {b.title: load_plain(b.body) for b in blocks(page) if b.title}
    (hooks,) = shown[".pre-commit-config.yaml"]["repos"]
    known = {hook["id"] for hook in load_manifest(str(HOOKS))}
    assert {hook["id"] for hook in hooks["hooks"]} == known
    workflow = shown[".github/workflows/specs.yaml"]
    schema = get_builtin_schema("vendor.github-workflows")
    assert [error.message for error in Draft7Validator(schema).iter_errors(workflow)] == []
    (step,) = (s for s in workflow["jobs"]["specs"]["steps"] if "bertspec" in s["uses"])
    assert set(step["with"]) < set(ACTION["inputs"])


def test_inputs_of_the_action_are_used_and_never_a_part_of_a_script() -> None:
    text = json.dumps(ACTION["runs"])
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(ACTION["inputs"])
    assert not [step for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["name"])
def test_steps_of_the_action_are_commands_of_ours(step: dict[str, Any]) -> None:
    for words in command_lines(step["run"].replace("$BERTSPEC_DATA", "--data")):
        assert problem(words) is None


def test_the_action_passes_a_good_project_and_annotates_a_broken_one(project: Project) -> None:
    project.bertspec("fmt")
    project.compile()
    for step in STEPS:
        _run(project, step, 0)
    project.write_spec({"bertspec": 1, "nam": "tiny"})
    assert "::error file=specs/tiny.json,line=3," in _run(project, STEPS[0], 2)


def _run(project: Project, step: dict[str, Any], code: int) -> str:
    """A step with the defaults of the inputs, as GitHub's runner runs it."""
    values = {name: about["default"] for name, about in ACTION["inputs"].items()}
    env = {
        name: values["paths"] if "inputs.paths" in value else ""
        for name, value in step["env"].items()
    }
    script = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"])
    result = project.run(*script, code=code, **env)
    return result.stdout + result.stderr
