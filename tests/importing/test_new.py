"""`bertspec new`: a first spec of each task, for data as people have it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog.tasks import TASKS
from bertspec.core.yaml import load_plain
from tests.projects import Project

ROWS: dict[str, list[dict[str, Any]]] = {
    "text-classification": [{"review": "a warm film", "sentiment": "good"},
                            {"review": "a dull film", "sentiment": "bad"}],
    "multi-label-classification": [{"text": "warm and dull", "labels": ["joy", "anger"]},
                                   {"text": "dull", "labels": []}],
    "text-regression": [{"sentence1": "a warm film", "score": 4.5}],
    "token-classification": [{"tokens": ["Ann", "left"], "ner_tags": ["B-PER", "O"]}],
    "question-answering": [{"question": "Who?", "context": "Ann left.",
                            "answers": {"text": ["Ann"], "answer_start": [0]}}],
    "masked-lm": [{"text": "a warm film"}],
    "causal-lm": [{"text": "a warm film"}],
    "multiple-choice": [{"text": "It rains.", "endings": ["We stay.", "We go."], "label": "0"}],
    "sentence-embedding": [{"text": "a warm film", "text_pair": "a kind film"}],
}  # fmt: skip


def _numbered(row: dict[str, Any], number: int) -> dict[str, Any]:
    """The row with another text than all others."""
    if "tokens" in row:
        return {"tokens": [*row["tokens"], str(number)], "ner_tags": [*row["ner_tags"], "O"]}
    (first, text), *_ = row.items()
    return row | {first: f"{text} {number}"}


def _spec(project: Project, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = load_plain((project.root / f"specs/{name}.yaml").read_text())
    return spec


@pytest.mark.parametrize("kind", TASKS)
def test_a_spec_of_each_task_is_valid(project: Project, kind: str) -> None:
    (project.root / "specs/tiny.json").unlink()
    rows = [_numbered(row, i) for i in range(40) for row in ROWS[kind]]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (project.root / "data/rows.jsonl").write_text(lines)
    said = project.bertspec("new", "first", "--task", kind, "--data", "data/rows.jsonl")
    assert "fill in" not in said
    assert "1 file valid" in project.bertspec("validate")
    spec = _spec(project, "first")
    assert set(spec["data"]["columns"].values() if kind == "masked-lm" else ["text"]) == {"text"}
    told = project.call("validate", "--data", code=None)
    assert not re.findall(r"error\[E3", told.stdout), told.stdout
    project.bertspec("new", "second", "--task", kind)
    assert "error[" not in project.call("validate", "specs/second.yaml", code=None).stdout.replace(
        "error[E110]", ""
    ), "but for the file that is not there"


def test_labels_are_those_of_the_data(project: Project) -> None:
    project.bertspec(
        "new", "reviews", "--task", "text-classification", "--data", "data/reviews.csv"
    )
    spec = _spec(project, "reviews")
    assert spec["task"]["labels"] == ["bad", "good"]
    assert spec["data"]["columns"] == {"text": "review", "label": "verdict"}
    (project.root / "data/tags.jsonl").write_text(
        json.dumps(ROWS["token-classification"][0]) + "\n"
    )
    project.bertspec("new", "tags", "--task", "token-classification", "--data", "data/tags.jsonl")
    assert _spec(project, "tags")["task"]["labels"] == ["PER"]
    (project.root / "data/several.csv").write_text("text,label\na,joy;fear\nb,\nc,anger\n")
    project.bertspec("new", "feelings", "--task", "multi-label-classification",
                     "--data", "data/several.csv")  # fmt: skip
    spec = _spec(project, "feelings")
    assert spec["task"]["labels"] == ["anger", "fear", "joy"]
    assert spec["data"]["columns"]["label"] == {"column": "label", "separator": ";"}


def test_a_column_that_no_name_gives_away_can_be_told(project: Project) -> None:
    (project.root / "data/odd.csv").write_text("body,kind\na,x\nb,y\n")
    new = ("new", "odd", "--task", "text-classification", "--data", "data/odd.csv")
    said = project.bertspec(*new, code=2)
    assert "error[E242]" in said
    assert "--column text=NAME" in said
    assert "E242" in project.bertspec(*new, "--column", "text=bdy", code=2)
    assert "E242" in project.bertspec(*new, "--column", "tokens=body", code=2)
    project.bertspec(*new, "--column", "text=body", "--column", "label=kind")
    assert _spec(project, "odd")["task"]["labels"] == ["x", "y"]
    assert "E243" in project.bertspec(*new, code=2), "it is there now"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[1, 2]", b'"text"'])
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "xlsx"])
def test_a_file_that_is_none_is_told(project: Project, content: bytes, ending: str) -> None:
    path = Path(f"data/bad.{ending}")
    (project.root / path).write_bytes(content)
    new = ("new", "bad", "--task", "text-classification", "--data", str(path))
    assert "error[E242]" in project.bertspec(*new, code=2)
    assert not (project.root / "specs/bad.yaml").exists()
