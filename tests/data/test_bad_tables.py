"""A bad table ends in a message with file and row, as wrong input; nothing is left half-written."""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bertspec.catalog.source import SPLITS
from bertspec.core.diagnostics import render
from bertspec.core.errors import CheckFailed, InputError
from tests.projects import SPEC, Project, rows
from tests.stages import (
    prepared_rows,
    run_kinds,
    run_runner,
    tokenized_folder,
    tokens_of,
    write_shards,
)


def _project(project: Project, content: bytes, kind: str = "csv", **columns: str) -> None:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["data"]["source"] = {"type": kind, "files": {"train": "data/reviews.csv"}}
    spec["data"]["columns"] |= columns
    project.write_spec(spec)
    (project.root / "data/reviews.csv").write_bytes(content)
    project.compile()


def _stage(project: Project, kind: str) -> str:
    """Name of the stage of a kind."""
    return next(name for name in project.stages() if kind in name)


def _told(project: Project, kind: str) -> str:
    """What a user reads when the stage refuses its input."""
    with pytest.raises(InputError) as caught:
        run_kinds(project, kind)
    return render(caught.value.diagnostics, "text")


def _good(count: int = 60) -> bytes:
    lines = ({"review": text, "verdict": label} for text, label in rows(count))
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


FETCH = [
    ("jsonl", b'{"review": ' + b"1" * 5000 + b"}\n", ["E305", "data/reviews.csv, line 1"]),
    ("csv", b"a,review,a\na,b,c\n", ["E304", "data/reviews.csv", "`a`"]),
    ("csv", b'review,verdict\nsay "no",good\n', ["E303", "data/reviews.csv, line 2", "quote"]),
    ("csv", b'review,verdict\n"no end,good\n', ["E303", "data/reviews.csv, line 2"]),
    ("csv", b"\xff\xfer\x00e\x00", ["E302", "data/reviews.csv, line 1", "offset 0"]),
]


@pytest.mark.parametrize(("kind", "content", "words"), FETCH)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    project: Project, kind: str, content: bytes, words: list[str]
) -> None:
    _project(project, content, kind)
    said = _told(project, "fetch")
    assert [word for word in words if word not in said] == []
    assert not (project.root / "data/reviews/raw").exists()


def test_a_folder_and_a_missing_file_are_told_apart(project: Project) -> None:
    _project(project, _good(), "jsonl")
    (project.root / "data/reviews.csv").rename(project.root / "data/review.csv")
    said = _told(project, "fetch")
    assert "E301" in said
    assert "does not exist" in said
    assert "did you mean `review.csv`?" in said
    (project.root / "data/reviews.csv").mkdir()
    assert "is a folder" in _told(project, "fetch")


@pytest.mark.parametrize(("kind", "line"), [
    ("csv", b"_file,_row,review,verdict\n"), ("jsonl", b""),
])  # fmt: skip
def test_columns_may_have_any_name(project: Project, kind: str, line: bytes) -> None:
    for text, label in rows(60):
        values = {"_file": "f", "_row": "9", "review": text, "verdict": label}
        written = json.dumps(values) if kind == "jsonl" else ",".join(values.values())
        line += written.encode() + b"\n"
    _project(project, line, kind, text="review")
    run_kinds(project, "fetch", "prepare")
    found = [r for s in SPLITS for r in prepared_rows(project, s).to_pylist()]
    assert {(r["file"], r["row"]) for r in found} == {("data/reviews.csv", i) for i in range(1, 61)}


def test_empty_labels_are_counted_and_the_first_ten_named(project: Project) -> None:
    lines = ["review,verdict", *(f'"{text}",{label if i > 11 else ""}'
             for i, (text, label) in enumerate(rows()))]  # fmt: skip
    _project(project, "\n".join(lines).encode())
    run_kinds(project, "fetch")
    said = _told(project, "prepare")
    assert "column `verdict` is empty in 12 rows: data/reviews.csv row 1, " in said
    assert "data/reviews.csv row 10 and 2 more" in said


def test_empty_texts_are_refused_by_the_contract_with_their_rows(project: Project) -> None:
    lines = ["review,verdict", *(f'"{text if i > 11 else ""}",{label}'
             for i, (text, label) in enumerate(rows()))]  # fmt: skip
    _project(project, "\n".join(lines).encode())
    run_kinds(project, "fetch", "prepare")
    with pytest.raises(CheckFailed) as caught:
        run_kinds(project, "contract")
    (found,) = [d for d in caught.value.diagnostics if d.code == "E607"]
    places = pq.read_table(project.root / "data/reviews/contract/rows.parquet").to_pylist()
    assert {(r["file"], r["row"]) for r in places if r["code"] == "E607"} == {
        ("data/reviews.csv", i) for i in range(1, 13)
    }
    assert "12" in found.message
    assert "data/reviews.csv row " in found.message
    verdict = (project.root / "data/reviews/contract-verdict.txt").read_text()
    assert verdict == "failed\n"


def test_a_mistyped_column_is_told_with_the_columns_that_exist(project: Project) -> None:
    _project(project, _good(), "jsonl", text="reviews")
    run_kinds(project, "fetch")
    said = _told(project, "prepare")
    assert "data/reviews.csv row 1: there is no column `reviews`" in said
    assert "`data.columns.text`" in said
    assert "did you mean `review`?" in said
    assert "review, verdict" in said


def test_unknown_labels_are_counted_over_the_whole_file(project: Project) -> None:
    # More rows than are encoded at once, so that a count of a part would show.
    labels = ["good", "bad"] * 4000
    wrong = {16: "goood", 5000: "goood", 7999: "ugly"}
    lines = [
        json.dumps({"review": f"text {i}", "verdict": wrong.get(i, label)}) + "\n"
        for i, label in enumerate(labels)
    ]
    _project(project, "".join(lines).encode(), "jsonl")
    run_kinds(project, "fetch", "prepare", "base")
    train = prepared_rows(project, "train").to_pylist()
    said = _told(project, "tokenize")
    in_train = [r["row"] for r in train if r["label"] == "goood"]
    assert in_train, "the salt puts none of them in train: take other rows"
    assert f"data/reviews.csv, row {in_train[0]}: unknown label `goood`" in said
    assert "did you mean `good`?" in said
    if len(in_train) > 1:
        assert f"and in {len(in_train) - 1} more: {in_train[1]}" in said
    assert not list((project.root / "data/reviews").rglob("*.arrow"))


def test_strange_text_goes_through_to_tokens(project: Project) -> None:
    strange = [
        '{"review": "lone \\ud800 surrogate", "verdict": "good"}\n',
        '{"review": "a \\u0000 in the middle", "verdict": "bad"}\n',
        '{"review": "\\u200b\\u202e\\ufeff x", "verdict": "bad"}\n',
    ]
    _project(project, _good() + "".join(strange).encode(), "jsonl")
    run_kinds(project, "fetch", "prepare", "base", "tokenize")
    files = list((project.root / "data/reviews/tokenized").rglob("*.arrow"))
    assert sorted(f.name for f in files) == [f"{s}-000000.arrow" for s in sorted(SPLITS)]
    folder = tokenized_folder(project)
    assert sum(len(tokens_of(folder, s)) for s in SPLITS) == 63


def test_the_data_stages_import_neither_torch_nor_transformers(project: Project) -> None:
    _project(project, _good(), "jsonl")
    run_kinds(project, "fetch", "prepare", "base")
    names = [_stage(project, kind) for kind in ("fetch", "prepare", "tokenize")]
    code = (
        "import sys; from pathlib import Path; from bertspec.runtime.stage import run_stage; "
        f"[run_stage(name, Path.cwd()) for name in {names}]; "
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert project.run(sys.executable, "-c", code).stdout.strip() == "[]"


def test_a_list_is_not_taken_for_text(tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.table({"t": [["a", "b"]], "l": ["x"]})
    raw = write_shards(tmp_path / "raw", {"train": [table]}, "f.parquet")
    params = {"columns": {"text": "t", "label": "l"}, "split": {"type": "hash"}}
    with pytest.raises(InputError) as caught:
        run_runner("prepare", params, tmp_path, {"raw": raw}, {"prepared": tmp_path / "out"})
    assert caught.value.diagnostics[0].code == "E314"
    assert "f.parquet row 1: column `t`" in caught.value.diagnostics[0].message
