"""The spec and the lock of an exported model: what it was made from compiles to the same again."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bertspec
from bertspec.compiler.lower import lower
from bertspec.core.yaml import dump, load_plain
from bertspec.pipeline.stage import Pipeline, Stage
from bertspec.runtime.release.origin import Origin
from bertspec.spec.load import load
from tests.compiler import test_compile as fields
from tests.projects import SPEC, Project
from tests.release.inputs import compiled, export_stage, origin_of, write_made
from tests.test_tables import OPTIONS


def _without_seeds(pipeline: Pipeline) -> dict[str, Stage]:
    """Stages without what is told of them, and without those of further seeds."""
    found = {}
    for stage in pipeline.stages:
        if stage.kind != "seeds" and stage.seed is None:
            inputs = {role: path for role, path in stage.inputs.items() if role != "seeds"}
            found[stage.name] = replace(stage, origin="", execution={}, inputs=inputs)
    return found


def _again(origin: Origin, root: Path) -> Pipeline:
    """The pipeline of the spec and the lock, in an empty project."""
    (root / "specs").mkdir(parents=True)
    (root / "specs/spec.yaml").write_text(dump(origin.spec), encoding="utf-8")
    loaded = load([Path("specs")], root)
    assert not loaded.diagnostics
    return lower(loaded.specs, origin.lock())


@pytest.mark.parametrize("path", sorted({path for path, _ in fields._fields()}))
def test_whatever_a_spec_says_the_spec_of_the_model_compiles_to_the_same(
    project: Project, tmp_path: Path, path: str
) -> None:
    if path in fields.NOT_CHANGED:
        return
    spec, change = fields.full_spec(), fields.CHANGES[path]
    fields.set_field(spec, *change) if isinstance(change, tuple) else fields.set_field(
        spec, path, change
    )
    project.write_spec(spec)
    pipeline = compiled(project.root)
    again = _again(origin_of(pipeline), tmp_path / "again")
    assert _without_seeds(again) == _without_seeds(pipeline)
    assert again.params == pipeline.params


@pytest.mark.parametrize(("table", "kind"), sorted(OPTIONS))
def test_so_it_is_for_every_kind(project: Project, tmp_path: Path, table: str, kind: str) -> None:
    spec, chosen = fields._copy(SPEC), {"type": kind, **OPTIONS[table, kind]}
    if table == "sources":
        spec["data"]["source"] = chosen
    elif table == "bases":
        spec["model"]["base"] = chosen
    elif table == "tasks":
        spec["task"] = chosen
    else:
        spec["export"] = [chosen]
    project.write_spec(spec)
    pipeline = compiled(project.root)
    again = _again(origin_of(pipeline), tmp_path / "again")
    assert _without_seeds(again) == _without_seeds(pipeline)
    assert again.params == pipeline.params


@pytest.mark.parametrize(
    ("aggregate", "task"),
    [
        ("max", SPEC["task"]),
        ("mean", SPEC["task"]),
        (None, {"type": "token-classification", "labels": ["X"]}),
    ],
)
def test_how_windows_become_one_is_told(
    project: Project, tmp_path: Path, aggregate: str | None, task: dict[str, Any]
) -> None:
    """It changes no token, so no tokenization knows of it."""
    windows = {"type": "windows", "stride": 4}
    spec = fields._copy(SPEC)
    spec["task"] = task
    spec["tokenization"]["long_documents"] = windows | (
        {"aggregate": aggregate} if aggregate else {}
    )
    if aggregate is None:
        spec["data"]["columns"] = {"tokens": "tokens", "tags": "tags"}
        spec["evaluation"]["metrics"] = ["f1"]
    project.write_spec(spec)
    pipeline = compiled(project.root)
    origin = origin_of(pipeline)
    told = origin.spec["tokenization"]["long_documents"]
    assert told == windows | {"aggregate": aggregate or "mean"}
    assert _without_seeds(_again(origin, tmp_path / "again")) == _without_seeds(pipeline)


def test_budgets_are_those_of_the_spec_and_not_of_one_that_shares_the_tokens(
    project: Project,
) -> None:
    other = fields._copy(SPEC) | {"name": "other", "export": []}
    other["tokenization"]["truncation"] = {"budget": 0.1}
    project.write_spec(other, "other.json")
    assert "truncation" not in origin_of(compiled(project.root)).spec["tokenization"]


def test_the_data_set_that_specs_share_stands_inline(project: Project, tmp_path: Path) -> None:
    spec = fields._copy(SPEC)
    data = spec["data"] | {"bertspec": 1, "description": "words"}
    del data["name"]
    (project.root / "specs/datasets").mkdir()
    project.write_spec(data, "datasets/reviews.json")
    project.write_spec(spec | {"data": "reviews", "description": "words"})
    pipeline = compiled(project.root)
    origin = origin_of(pipeline)
    assert origin.spec["data"]["name"] == "reviews"
    assert "words" not in dump(origin.spec)
    assert _without_seeds(_again(origin, tmp_path / "again")) == _without_seeds(pipeline)


def test_the_spec_of_an_experiment_has_its_values(tmp_path: Path) -> None:
    """They stand in params.yaml, and then in the manifests; no spec file has them."""
    made = write_made(tmp_path)
    path = made.context.inputs["trained_manifest"]
    path.write_text(path.read_text().replace('"epochs": 10', '"epochs": 11'))
    assert Origin.read(made.context).spec["training"]["epochs"] == 11


def test_the_lock_says_threads_device_and_every_package(project: Project) -> None:
    pipeline = compiled(project.root)
    lock = origin_of(pipeline).lock()
    assert (lock.threads, lock.device) == (2, "cpu")
    used = {p: v for stage in pipeline.stages for p, v in stage.packages.items()}
    assert lock.packages == used
    made = {m: replace(v, device="cuda") for m, v in origin_of(pipeline).made.items()}
    assert replace(origin_of(pipeline), made=made).lock().device == "cuda"


def test_an_export_depends_on_what_its_card_tells(project: Project) -> None:
    stage = export_stage(compiled(project.root))
    artifacts = (
        "data/reviews/raw", "data/reviews/prepared", "data/reviews/contract",
        "models/tiny/trained", "models/tiny/evaluation",
    )  # fmt: skip
    read = set(stage.inputs.values())
    assert {f"{path}.manifest.json" for path in artifacts} < read
    assert {"models/tiny/metrics.json", "data/reviews/contract"} < read


def test_a_bundle_in_an_empty_project_compiles_to_the_files_it_came_from(
    built: Project, tmp_path: Path
) -> None:
    export = built.root / "models/tiny/export"
    project = Project(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "data").mkdir()
    shutil.copy(export / "spec.yaml", tmp_path / "specs/any.yaml")
    shutil.copy(export / "bertspec.lock", tmp_path)
    shutil.copy(built.root / "data/reviews.csv", tmp_path / "data")
    project.call("validate", "specs")
    project.call("compile")
    params = [load_plain((p.root / "params.yaml").read_text()) for p in (project, built)]
    assert params[1]["bertspec"].pop("hardware")  # on which nothing depends: no manifest has it
    assert params[0] == params[1]
    stages = [load_plain((p.root / "dvc.yaml").read_text())["stages"] for p in (project, built)]
    for stage in (stage for found in stages for stage in found.values()):
        del stage["desc"]
    assert stages[0] == stages[1]


def test_a_model_runs_without_what_it_says_of_itself(built: Project, tmp_path: Path) -> None:
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    (expected,) = bertspec.load(folder).predict(["a warm film"])
    names = ("README.md", "bertspec.lock", "provenance.json", "sbom.cdx.json", "spec.yaml")
    for name in names:
        (folder / name).unlink()
    assert list(bertspec.load(folder).predict(["a warm film"])) == [expected]
    said = built.call("bundle", "verify", str(folder), code=1).stderr
    assert [line for line in said.splitlines() if line.startswith("error")] == [
        f"error[E457]: {folder / name} is missing" for name in names
    ]
