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
    assert "bertspec new" in (project.root / "specs/first.yaml").read_text().splitlines()[0]
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


def test_labels_that_are_called_first_and_second_are_those_of_the_data(project: Project) -> None:
    rows = [{"text": f"text {i}", "label": ("first", "second")[i % 2]} for i in range(8)]
    (project.root / "data/r.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    said = project.bertspec("new", "a", "--task", "text-classification", "--data", "data/r.jsonl")
    assert "fill in" not in said
    assert _spec(project, "a")["task"]["labels"] == ["first", "second"]


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
    assert re.search(r"error\[E(242|3\d\d)\]: data/bad", project.bertspec(*new, code=2))
    assert not (project.root / "specs/bad.yaml").exists()


TEXT, LABELS, TAGS = "text-classification", "multi-label-classification", "token-classification"

BROKEN = {
    "a comma too many": (TEXT, "csv", "text,label\na,b,\n"),
    "a field too few": (TEXT, "csv", "text,label\na,b\nc\n"),
    "a header alone": (TEXT, "csv", "text,label\n"),
    "a second row that is a list": (TEXT, "jsonl", '{"text": "a", "label": "b"}\n[1]\n'),
    "one label": (TEXT, "csv", "text,label\na,b\n"),
    "numbers as lists": (LABELS, "jsonl", '{"text": "a", "label": 3}\n'),
    "lists and texts": (LABELS, "jsonl", '{"text": "a", "label": ["b"]}\n{"label": "d"}\n'),
    "lists of objects": (LABELS, "jsonl", '{"text": "a", "label": [{"b": 1}, "c"]}\n'),
    "spans that are text": (TAGS, "csv", "text,spans\nc,c\n"),
    "a span without a label": (TAGS, "jsonl", '{"text": "Ann", "spans": [{"start": 0, "end": 3}]}'),
    "tags without names": (TAGS, "jsonl", '{"tokens": ["Ann", "left"], "ner_tags": [3, 0]}'),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_rows_that_are_none_are_told(project: Project, case: str) -> None:
    task, kind, text = BROKEN[case]
    (project.root / f"data/bad.{kind}").write_text(text)
    columns = ("--column", "text=text", "--column", "spans=spans") if "span" in case else ()
    said = project.bertspec("new", "bad", "--task", task, "--data", f"data/bad.{kind}", *columns,
                            code=2)  # fmt: skip
    assert re.search(r"error\[E(242|3\d\d)\]", said)
    assert (
        "row" in said
        or "line" in said
        or case in ("one label", "tags without names", "numbers as lists")
    )
    assert not (project.root / "specs/bad.yaml").exists()


FILES = {
    "tsv": ('text\tlabel\n"a" b\t10\nc\t9\nd\t\n', ["9", "10"]),
    "csv": ("text,label\n" + "x" * 200_000 + ",b\nc,a\nd,\n", ["a", "b"]),
    "jsonl": ('{"text": "a", "label": true}\n{"text": "b", "label": false}\n', ["false", "true"]),
    "json": ('[{"text": "a", "label": 2}, {"id": 1, "text": "b", "label": 10}]', ["2", "10"]),
}


@pytest.mark.parametrize("kind", FILES)
def test_labels_are_what_the_source_reads(project: Project, kind: str) -> None:
    """As `prepare` has them, in the order of numbers where they are some; blank ones are none."""
    text, labels = FILES[kind]
    (project.root / f"data/rows.{kind}").write_text(text)
    project.bertspec("new", "first", "--task", TEXT, "--data", f"data/rows.{kind}")
    assert _spec(project, "first")["task"]["labels"] == labels


def test_lists_in_csv_may_be_json(project: Project) -> None:
    rows = "".join(f'{n},"[""joy"", ""{"anger" if n % 2 else "fear"}""]"\n' for n in range(40))
    (project.root / "data/lists.csv").write_text("text,label\n" + rows)
    project.bertspec("new", "lists", "--task", LABELS, "--data", "data/lists.csv")
    spec = _spec(project, "lists")
    assert spec["task"]["labels"] == ["anger", "fear", "joy"]
    assert spec["data"]["columns"]["label"] == {"column": "label", "list": True}
    said = project.call("validate", "--data", "specs/lists.yaml", code=None).stdout
    assert not re.findall(r"error\[E3", said), said


def test_a_large_file_is_read_a_few_times_at_most(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec.catalog.sources.csv import Csv

    read: list[Path] = []
    whole = Csv.read_file

    def counted(self: Csv, path: Path, *more: Any) -> Any:
        read.append(path)
        return whole(self, path, *more)

    monkeypatch.setattr(Csv, "read_file", counted)
    (project.root / "data/several.csv").write_text("text,label\n" + "a,joy;fear\n" * 300)
    project.bertspec("new", "several", "--task", LABELS, "--data", "data/several.csv")
    assert 0 < len(read) < 10


def test_too_many_values_are_no_labels(project: Project) -> None:
    new = ("new", "many", "--task", TEXT, "--data", "data/many.csv")
    for count, code in ((1000, 0), (1001, 2)):
        rows = "".join(f"text {n},label {n}\n" for n in range(count))
        (project.root / "data/many.csv").write_text("text,label\n" + rows)
        assert ("error[E242]" in project.bertspec(*new, code=code)) == (code == 2)
        (project.root / "specs/many.yaml").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("name", "told"),
    [("datasets", "bertspec's own"), ("n" * 65, "64 characters"), ("Two Words", "two-words"),
     ("tiny", "tiny.json"), ("within", "other.yaml")],
)  # fmt: skip
def test_a_name_that_cannot_be_one(project: Project, name: str, told: str) -> None:
    text = json.dumps(_named(project, "within"))
    (project.root / "specs/other.yaml").write_text(text)
    before = sorted((project.root / "specs").iterdir())
    said = project.bertspec("new", name, "--task", TEXT, code=2)
    assert told in said
    assert sorted((project.root / "specs").iterdir()) == before


def _named(project: Project, name: str) -> dict[str, Any]:
    return {**json.loads((project.root / "specs/tiny.json").read_text()), "name": name}


def test_data_is_named_from_the_project(project: Project) -> None:
    outside = project.root.parent / "outside.csv"
    outside.write_text((project.root / "data/reviews.csv").read_text())
    new = ("new", "reviews", "--task", TEXT, "--data")
    for path in (str(outside), "../outside.csv"):
        assert "error[E242]" in project.bertspec(*new, path, code=2)
    project.bertspec(*new, str(project.root / "data/reviews.csv"))
    files = _spec(project, "reviews")["data"]["source"]["files"]
    assert files == {"train": "data/reviews.csv"}
    assert "1 file valid" in project.bertspec("validate", "specs/reviews.yaml")
