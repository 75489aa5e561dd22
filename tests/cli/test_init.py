"""`bertspec init`: a project that builds, and nothing of the user's touched."""

import sys
from pathlib import Path

import pytest

from bertspec.core.yaml import load_plain
from tests.projects import Project

SPEC, DATA = "specs/sentiment.yaml", "data/sample-restaurant-reviews.csv"
SCHEMAS = tuple(f"schema/bertspec-{what}1.schema.json" for what in ("", "dataset-"))


def _repository(root: Path) -> Project:
    root.mkdir()
    project = Project(root)
    project.run("git", "init", "--quiet", "--initial-branch=main")
    return project


def test_a_new_project_is_ready_and_ignores_what_is_built(tmp_path: Path) -> None:
    said = Project(tmp_path).bertspec("init", "my project")
    assert "Next: cd 'my project' && bertspec lock" in said
    project = Project(tmp_path / "my project")
    project.compile()
    stages = load_plain((project.root / "dvc.yaml").read_text())["stages"]
    outs = [out for stage in stages.values() for out in stage["outs"] if isinstance(out, str)]
    cached = [out if Path(out).suffix else f"{out}/" for out in outs]
    assert cached
    assert project.run("git", "check-ignore", *cached).stdout.split() == cached


@pytest.mark.thorough
@pytest.mark.e2e
def test_in_a_repository_it_builds_and_git_sees_what_is_to_be_committed(tmp_path: Path) -> None:
    project = _repository(tmp_path / "repository")
    (project.root / ".gitignore").write_text("*.pyc\n")
    (project.root / "data").mkdir()
    (project.root / "data/reviews.csv").write_text("mine\n")
    project.commit()
    said = project.bertspec("init")
    assert "kept     .gitignore" in said
    project.compile()
    project.run("dvc", "repro")
    assert "accuracy" in project.bertspec("show")
    assert "%" in project.bertspec("predict", "sentiment", "a lovely soup")
    status = project.run("git", "status", "--porcelain", "--untracked-files=all").stdout
    folder = "models/sentiment"
    assert {line[3:] for line in status.splitlines() if not line.endswith("/.gitignore")} == {
        ".dvc/config", ".dvcignore", SPEC, DATA, "bertspec.lock", "dvc.lock", "dvc.yaml",
        "params.yaml", *SCHEMAS, f"{folder}/metrics.json", f"{folder}/parity.json",
        *(f"{folder}/plots/{p}.csv" for p in (
            "confusion", "learning_rate", "loss", "reliability", "validation",
        )),
    }  # fmt: skip
    assert (project.root / "data/reviews.csv").read_text() == "mine\n"
    assert (project.root / ".gitignore").read_text() == "*.pyc\n"


def test_again_it_changes_nothing(tmp_path: Path) -> None:
    project = _repository(tmp_path / "repository")
    (project.root / "sub").mkdir()
    inside = Project(project.root / "sub")
    said = inside.bertspec("init")
    assert f"kept     git repository {project.root}" in said
    assert not (inside.root / ".git").exists()
    before = {p: p.stat().st_mtime_ns for p in inside.root.rglob("*") if p.is_file()}
    again = inside.bertspec("init")
    assert "written" not in again
    assert f"kept     {SPEC}" in again
    assert {p: p.stat().st_mtime_ns for p in inside.root.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(("mine", "other"), [(DATA, SPEC), (SPEC, DATA)])
def test_a_spec_never_stands_beside_data_that_it_cannot_read(
    tmp_path: Path, mine: str, other: str
) -> None:
    (tmp_path / mine).parent.mkdir()
    (tmp_path / mine).write_text("mine\n")
    said = Project(tmp_path).bertspec("init")
    assert f"kept     {mine}" in said
    assert f"skipped  {other}" in said
    assert (tmp_path / mine).read_text() == "mine\n"
    assert not (tmp_path / other).exists()
    assert (tmp_path / ".dvc").is_dir()


def test_a_file_where_a_folder_should_be_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    assert "'taken' is a file" in Project(tmp_path).bertspec("init", "taken", code=2)
    (tmp_path / "specs").write_text("")
    assert "specs is a file" in Project(tmp_path).bertspec("init", code=2)
    assert {p.name for p in tmp_path.iterdir()} == {"taken", "specs"}


@pytest.mark.parametrize(("there", "missing"), [("dvc", "git"), ("git", "dvc")])
def test_without_git_or_dvc_nothing_is_written(tmp_path: Path, there: str, missing: str) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / there).write_text("#!/bin/sh\n")
    (programs / there).chmod(0o755)
    begin = f"import os; os.environ['PATH'] = {str(programs)!r}; from bertspec.cli import main"
    result = Project(tmp_path).run(sys.executable, "-c", f"{begin}; main(['init', 'new'])", code=3)
    assert f"`{missing}` is not on the PATH" in result.stderr
    assert not (tmp_path / "new").exists()


def test_what_dvc_refuses_is_told(tmp_path: Path) -> None:
    project = _repository(tmp_path / "repository")
    (project.root / ".gitignore").write_text("ignored\n")
    assert "is ignored by your SCM tool" in project.bertspec("init", "ignored", code=3)
