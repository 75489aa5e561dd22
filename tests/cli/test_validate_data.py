"""`bertspec validate --data`: a fault is told once, at the field of the spec that it is about."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from bertspec.compiler.checks import load_checked
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.names import sentences
from bertspec.runtime.data_check import check_data
from tests.projects import SPEC, Project, rows

NO_COLUMN = "text,verdict\n" + "".join(f'"{text}",{label}\n' for text, label in rows())
LISTED = {"column": "verdict", "map": {"good": "good"}}
CSV = {"type": "csv", "files": {"train": "data/reviews.csv"}}
HASH = SPEC["data"]["split"]


def _spec(**data: Any) -> dict[str, Any]:
    return {**SPEC, "data": SPEC["data"] | data}


def _findings(project: Project) -> list[Diagnostic]:
    loaded = load_checked([project.root / "specs"], project.root)
    assert not [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    return check_data(loaded, project.root).found


def _errors(project: Project) -> list[Diagnostic]:
    return [d for d in _findings(project) if d.severity is Severity.ERROR]


def _under_the_caret(finding: Diagnostic) -> str:
    place = finding.position
    assert place is not None
    return place.text[place.column - 1 :][: place.width]


@pytest.mark.parametrize(
    ("content", "data", "code", "place"),
    [
        ('review,verdict\n"a","good"\n"b"\n', {}, "E303", '"data/reviews.csv"'),
        (None, {"source": {**CSV, "files": {"train": "data/no.csv"}}}, "E301", '"data/no.csv"'),
        (
            None,
            {"source": {"type": "joined", "parts": [
                {"source": CSV}, {"source": {**CSV, "files": {"train": "data/no.csv"}}}]}},
            "E301", '"data/no.csv"',
        ),
        (None, {"source": {"type": "folder", "folders": {"train": "data/no"}},
                "columns": {"text": "text", "label": "label"}}, "E301", '"data/no"'),
        (None, {"source": {"type": "sql", "database": "data/reviews.csv",
                           "query": {"train": "select 1 order by 1"}}},
         "E353", '"data/reviews.csv"'),
        (None, {"source": {"type": "text", "record": "file", "files": {"train": "data/no.txt"}},
                "columns": {"text": "text", "label": {"value": "good"}}}, "E301", '"data/no.txt"'),
        ("review,verdict\n", {}, "E308", '"data/reviews.csv"'),
        ('review,verdict\n"a",good\n"b",\n', {}, "E310", '"verdict"'),
        (NO_COLUMN, {}, "E309", '"review"'),
        (None, {"columns": {"text": "review", "label": LISTED}}, "E320", '"label"'),
        (None, {"where": [{"column": "mood", "equals": "x"}]}, "E309", '"mood"'),
        ('review,verdict\n"a",good\n', {}, "E311", '"split"'),
        (None, {"split": {**HASH, "group": "film"}}, "E309", '"film"'),
        (None, {"split": {"type": "time", "column": "review", "test_from": "2024-01-01"}},
         "E323", '"review"'),
        (None, {"split": {**HASH, "stratify": "label", "tolerance": 0.0001}}, "E324", '"label"'),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_shown_at_its_field(
    project: Project, content: str | None, data: dict[str, Any], code: str, place: str
) -> None:
    if content is not None:
        (project.root / "data/reviews.csv").write_text(content)
    project.write_spec(_spec(**data))
    found = [d for d in _findings(project) if d.code == code]
    assert found
    assert {_under_the_caret(d) for d in found} == {place}


def test_what_breaks_the_contract_is_shown_at_its_column(project: Project) -> None:
    repeated = [("so so", "good"), ("So, so!", "bad"), ("", "bad")]
    project.write_rows([*rows(), *repeated])
    found = {d.code: _under_the_caret(d) for d in _findings(project)}
    assert found["E603"] == '"verdict"'
    assert found["E607"] == '"review"'
    said = project.bertspec("validate", "--data", code=1)
    lines = (project.root / "specs/tiny.json").read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if '"label": "verdict"' in line)
    column = lines[number - 1].index('"verdict"') + 1
    assert f"specs/tiny.json:{number}:{column}" in said


def test_an_unknown_label_of_several_splits_is_one_error(project: Project) -> None:
    project.write_rows(rows() + [(f"odd {i}", "neither") for i in range(20)])
    (found,) = [d for d in _findings(project) if d.code == "E313"]
    assert "unknown label `neither` (and in 19 more: " in found.message
    assert _under_the_caret(found) == '"verdict"'
    assert found.help == (
        "one of: `bad`, `good`. Correct the row, or add it to `task.labels`"
    )  # fmt: skip


def test_rows_of_another_file_are_told_with_it(project: Project) -> None:
    files = {}
    for split in ("train", "test"):
        files[split] = f"data/{split}.csv"
        lines = [f'"{split} {text}",{label}' for text, label in [*rows(10), ("x", "neither")]]
        (project.root / files[split]).write_text("\n".join(["review,verdict", *lines]) + "\n")
    project.write_spec(_spec(source={"type": "csv", "files": files}, split={"type": "given"}))
    (found,) = [d for d in _findings(project) if d.code == "E313"]
    assert "data/train.csv, row 11: unknown label `neither`" in found.message
    assert "(and in 1 more: data/test.csv, row 11)" in found.message


def _of(project: Project, task: dict[str, Any], given: list[dict[str, Any]]) -> set[str]:
    """Codes of errors about rows of JSON, half of which are the test."""
    columns: dict[str, Any] = {name: name for name in given[0]}
    lists = [name for name in ("tokens", "tags") if name in columns]
    columns |= {name: {"column": name, "list": True} for name in lists}
    files = {}
    for split in ("train", "test"):
        files[split] = f"data/{split}.jsonl"
        lines = [json.dumps({**row, **_unlike(row, split)}) for row in given]
        (project.root / files[split]).write_text("\n".join(lines) + "\n")
    source = {"type": "jsonl", "files": files}
    data = {"name": "rows", "source": source, "columns": columns, "split": {"type": "given"}}
    spec = {**SPEC, "task": task, "evaluation": {"metrics": ["f1"]}, "data": data}
    project.write_spec(spec)
    found = _errors(project)
    assert len(found) == len({(d.code, d.message) for d in found})
    return {d.code for d in found}


def _unlike(row: Mapping[str, Any], split: str) -> dict[str, Any]:
    """What makes the rows of the splits different, without moving an offset."""
    return {n: f"{row[n]} {split}" for n in ("text", "question") if n in row}


def test_an_answer_beside_its_offset_is_told_once(project: Project) -> None:
    rows_ = [
        {"question": f"who {i}", "context": f"Rollo led them {i}",
         "answers": {"text": ["Rollo"], "answer_start": [i]}}
        for i in range(2)
    ]  # fmt: skip
    assert _of(project, {"type": "question-answering"}, rows_) == {"E329"}


@pytest.mark.parametrize(
    ("end", "expected"), [(99, {"E343"}), (6, {"E609"})], ids=["outside", "whitespace"]
)
def test_a_span_beside_its_text_is_told_once(
    project: Project, end: int, expected: set[str]
) -> None:
    rows_ = [{"text": "Rollo led", "spans": [{"start": 0, "end": end, "label": "PER"}]}]
    task = {"type": "token-classification", "labels": ["PER"]}
    assert _of(project, task, rows_) == expected


@pytest.mark.parametrize(
    ("tags", "expected"), [(["O"], {"E341"}), (["Q", "O"], {"E340"}), (["O", "I-PER"], {"E609"})]
)
def test_a_broken_tag_is_told_once(project: Project, tags: list[str], expected: set[str]) -> None:
    words = [{"tokens": [f"Rollo{i}", "led"], "tags": tags} for i in range(1)]
    task = {"type": "token-classification", "labels": ["PER"]}
    found = _of(project, task, words)
    assert found - {"E601"} == expected


# Salts.


def _with_salt(project: Project, split: dict[str, Any], help: str) -> dict[str, Any]:
    (salt,) = re.findall(r'`salt: "(\d+)"`', help)
    spec = _spec(split={**split, "salt": salt})
    project.write_spec(spec)
    return spec


@pytest.mark.parametrize(
    "split", [HASH, {"type": "k-fold", "folds": 5, "fold": 0}], ids=["hash", "k-fold"]
)
def test_a_salt_is_proposed_that_leaves_no_split_and_no_label_without_rows(
    project: Project, split: dict[str, Any]
) -> None:
    project.write_spec(_spec(split=split))
    for start in range(0, 200, 8):
        project.write_rows(rows(start + 8)[start:])
        found = _errors(project)
        if found and found[0].code == "E311":
            break
    else:
        pytest.fail("no eight rows of these miss a split")
    _with_salt(project, split, found[0].help)
    assert _errors(project) == []


def test_a_salt_is_proposed_for_a_label_without_rows(project: Project) -> None:
    project.write_rows([*rows(60), *[(f"odd {i}", "odd") for i in range(5)]])
    for salt in "abcdefgh":
        spec = _spec(split={**HASH, "salt": salt})
        spec["task"] = SPEC["task"] | {"labels": ["bad", "good", "odd"]}
        spec["evaluation"] = {"metrics": ["accuracy"]}
        project.write_spec(spec)
        if found := [d for d in _findings(project) if d.code == "E605"]:
            break
    (proposed,) = re.findall(r'`salt: "(\d+)"`', found[0].help)
    spec["data"]["split"]["salt"] = proposed
    project.write_spec(spec)
    assert [d for d in _findings(project) if d.code == "E605"] == []


def test_where_no_salt_fills_the_splits_it_is_said(project: Project) -> None:
    project.write_rows([("the same", "good")] * 9)
    (found,) = [d for d in _findings(project) if d.code == "E311"]
    assert "none of the salts 1 to 200" in found.help


def test_a_split_without_a_salt_is_given_other_advice(project: Project) -> None:
    lines = ["review,verdict,day", *(f"{text},{label},2024-01-01" for text, label in rows(9))]
    (project.root / "data/reviews.csv").write_text("\n".join(lines) + "\n")
    project.write_spec(_spec(split={"type": "time", "column": "day", "test_from": "2025-01-01"}))
    (found,) = [d for d in _findings(project) if d.code == "E311"]
    assert "salt" not in found.help
    assert "test_from" in found.help


def test_a_new_project_has_no_warning(project: Project) -> None:
    project.run("bertspec", "init", "new")
    said = project.run("bash", "-c", "cd new && bertspec validate --data").stdout
    assert said == "1 file valid, 1 data set with 40 rows\n"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["did you mean `a`?", "Correct it"], "did you mean `a`? Correct it"),
        (["one of: `a`", "correct it"], "one of: `a`. Correct it"),
        (["one of: `a`", "`salt` too", ""], "one of: `a`. `salt` too"),
        (["", "check it"], "check it"),
    ],
)
def test_pieces_of_advice_are_sentences(parts: list[str], text: str) -> None:
    assert sentences(*parts) == text
