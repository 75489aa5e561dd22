"""Some files of a project are given: the spec that one of them starts from is found beside it."""

import json
from pathlib import Path
from typing import Any

from bertspec.compiler.checks import load_checked
from tests.projects import SPEC, Project


def _write(project: Project, name: str, base: str | None, file: str, **changes: Any) -> None:
    spec = json.loads(json.dumps(SPEC)) | {"name": name} | changes
    if base is not None:
        spec["model"] = {"base": {"type": "spec", "name": base}}
        spec["training"]["learning_rate"] = 1e-4
    project.write_spec(spec, file)


def _chain(project: Project) -> None:
    """Spec tiny starts from middle, in a file of another name, and middle from first."""
    _write(project, "tiny", "middle", "tiny.json")
    _write(project, "middle", "first", "another.json")
    _write(project, "first", None, "first.json")
    _write(project, "unrelated", None, "unrelated.json", training={"epochs": 0})


def test_specs_that_it_starts_from_are_taken_in_and_no_others(project: Project) -> None:
    _chain(project)
    loaded = load_checked([Path("specs/tiny.json")], project.root)
    assert loaded.diagnostics == ()
    assert [s.spec.name for s in loaded.specs] == ["middle", "first", "tiny"]
    assert "3 files valid" in project.bertspec("validate", "specs/tiny.json")


def test_its_stages_are_those_of_the_whole_project(project: Project) -> None:
    _chain(project)
    (project.root / "specs" / "unrelated.json").unlink()
    project.compile()
    whole = (project.root / "dvc.yaml").read_text(encoding="utf-8")
    project.bertspec("lock", "specs/tiny.json")
    assert "up to date" in project.bertspec("compile", "specs/tiny.json")
    assert (project.root / "dvc.yaml").read_text(encoding="utf-8") == whole


def test_what_is_wrong_in_it_is_told_in_its_file_once(project: Project) -> None:
    _write(project, "tiny", "first", "tiny.json")
    _write(project, "first", None, "first.json", unknown=1)
    given = [Path("specs/tiny.json"), Path("specs/first.json")]
    for paths in (given[:1], given):
        (found,) = load_checked(paths, project.root).diagnostics
        assert found.position is not None
        assert (found.code, found.position.file) == ("E010", "specs/first.json")


def test_what_is_wrong_in_one_that_cannot_be_read_is_told_too(project: Project) -> None:
    _write(project, "tiny", "first", "tiny.json")
    (project.root / "specs" / "first.json").write_text("{")
    found = load_checked([Path("specs/tiny.json")], project.root).diagnostics
    assert {d.code for d in found} == {"E001", "E138"}


def test_where_none_lies_beside_it_is_said_where_it_must_be(project: Project) -> None:
    _write(project, "tiny", "frist", "tiny.json")
    (found,) = load_checked([Path("specs/tiny.json")], project.root).diagnostics
    assert found.code == "E138"
    assert "in the folder of this one" in found.help
    assert "tiny" not in found.help, "it is no base of itself"
