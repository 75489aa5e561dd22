"""Columns of sources that give lists: a spec need not say that they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.compiler.checks import load_checked
from bertspec.runtime.shards import read_split
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project

CONLL = {"type": "conll", "files": {"train": "train.conll"}}
SOURCES: dict[str, dict[str, Any]] = {
    "conll": CONLL,
    "url": {
        "type": "url",
        "files": {"train": {"url": "https://example.org/a.conll", "sha256": "0" * 64}},
        "format": {"type": "conll"},
    },
    "joined": {
        "type": "joined",
        "parts": [
            {"source": CONLL},
            {"source": {"type": "jsonl", "files": {"train": "more.jsonl"}}},
        ],
    },
}
SHORT = {"tokens": "tokens", "tags": "tags"}
LONG = {name: {"column": name, "list": True} for name in SHORT}


def _write(project: Project, source: dict[str, Any], columns: dict[str, Any]) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["task"] = {"type": "token-classification", "labels": ["PER"]}
    spec["data"] = SPEC["data"] | {"source": source, "columns": columns}
    spec["evaluation"] = {"metrics": ["f1"]}
    project.write_spec(spec)
    lines = (f"Ada{i}\tB-PER\nruns\tO\n\n" for i in range(40))
    (project.root / "train.conll").write_text("".join(lines))
    more = ({"tokens": [f"Bo{i}", "sits"], "tags": ["B-PER", "O"]} for i in range(20))
    (project.root / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in more))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_is_compiled_is_the_same_with_list_and_without(
    project: Project, source: dict[str, Any]
) -> None:
    files = []
    for columns in (LONG, SHORT):
        _write(project, source, columns)
        project.compile()
        files.append([(project.root / f).read_bytes() for f in ("dvc.yaml", "params.yaml")])
    assert files[0] == files[1]


@pytest.mark.parametrize("kind", ["conll", "joined"])
def test_its_rows_are_lists(project: Project, kind: str) -> None:
    _write(project, SOURCES[kind], SHORT)
    project.compile()
    for name in project.stages():
        if name.endswith(("-fetch", "-prepare")):
            run_stage(name, project.root)
    rows = read_split(project.root / "data/reviews/prepared", "train").to_pylist()
    assert {row["tokens"][0][:2] for row in rows} == ({"Ad"} if kind == "conll" else {"Ad", "Bo"})
    assert all(row["tags"] == ["B-PER", "O"] for row in rows)


def test_items_are_mapped(project: Project) -> None:
    tags = {"column": "tags", "map": {"B-PER": "B-PER", "O": "O"}}
    _write(project, CONLL, {"tokens": "tokens", "tags": tags})
    (loaded,) = load_checked([Path("specs")], project.root).specs
    assert load_checked([Path("specs")], project.root).diagnostics == ()
    assert loaded.spec.data.columns.model_dump()["tags"] == tags | {"list": True}


def test_a_list_where_text_is_read_is_told_before_anything_runs(project: Project) -> None:
    project.write_spec(SPEC | {"data": SPEC["data"] | {
        "source": CONLL, "columns": {"text": "tokens", "label": {"value": "good"}}
    }})  # fmt: skip
    (project.root / "train.conll").write_text("a b\n")
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert found.code == "E132"
    assert "columns of a `conll` source are lists" in found.help
