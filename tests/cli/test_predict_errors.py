"""`bertspec predict --keep-going`: what is kept of a row that cannot be predicted."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertspec.runtime.seal import Seal
from tests.cli.predicting import READ, predict, read_jsonl
from tests.projects import Project


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("k.jsonl", b'{"id": "1"}\n{"id": "2", "text": 7}\n{"text": "\\ud800a", "id": "3"}\n'),
        ("k.csv", b'text,id\n\xff,1\nlast\xff,2\n"?a",3\n'),
    ],
)
def test_a_row_with_an_error_keeps_what_can_be_read_of_it(
    built: Project, name: str, content: bytes
) -> None:
    (built.root / name).write_bytes(content)
    for kind, read in READ.items():
        predict(built, name, f"k-out.{kind}", "--keep-going", "--carry", "id")
        rows = read(built.root / f"k-out.{kind}")
        assert [row["id"] for row in rows] == ["1", "2", "3"]
        assert [bool(row["label"]) for row in rows] == [False, False, True]


def test_a_field_of_a_row_with_an_error_is_kept(built: Project, tmp_path: Path) -> None:
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "pairs")
    bundle = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(bundle | {"fields": ["text", "text_pair"]}))
    Seal.of(folder).write()  # as if it had been exported so
    (tmp_path / "half.jsonl").write_text('{"text": "Who?"}\n')
    pq.write_table(
        pa.table({"text": ["Who?"], "text_pair": pa.array([b"\xff"]).view(pa.string())}),
        tmp_path / "half.parquet",
    )
    (tmp_path / "half.csv").write_bytes(b"text,text_pair\nWho?,\xff\n")
    for kind in READ:
        arguments = ["--input", str(tmp_path / f"half.{kind}"), "--keep-going", "--format", "json"]
        said = built.bertspec("predict", str(folder), *arguments)
        row = json.loads(said)
        assert (row["text"], row["text_pair"], row["label"]) == ("Who?", None, None)
        assert row["error"]["code"] in ("E302", "E309")


def test_what_a_line_of_json_lacks_is_carried_as_null(built: Project) -> None:
    (built.root / "l.jsonl").write_text('{"text": "b"}\n{"text": "a", "id": 7}\n')
    arguments = ("predict", "tiny", "--input", "l.jsonl", "--format", "json", "--carry")
    shown = built.call(*arguments, "id")
    assert [json.loads(line)["id"] for line in shown.stdout.splitlines()] == [None, 7]
    assert not shown.stderr
    shown = built.call(*arguments, "idd")
    assert [json.loads(line)["idd"] for line in shown.stdout.splitlines()] == [None, None]
    assert "warning[E309]: l.jsonl, all lines: there is no column `idd`" in shown.stderr
    assert "did you mean `id`?" in shown.stderr


@pytest.mark.parametrize(
    ("begin", "line"),
    [('3,"never closed\n', 4), ('3,"two\nlines","a ""b"" c\n', 5), ('"3\n', 4), ('3,"', 4)],
)
def test_behind_a_quote_that_is_never_closed_no_row_is_lost_without_a_word(
    built: Project, begin: str, line: int
) -> None:
    rows = "".join(f"{n},a film of its own\n" for n in range(4, 40))
    (built.root / "q.csv").write_text(f'id,text\n1,6" tall\n2,good\n{begin}{rows}')
    said = predict(built, "q.csv", "q.jsonl", "--keep-going", code=2)
    assert f"error[E452]: q.csv, line {line}: a quote that is never closed" in said
    assert not (built.root / "q.jsonl").exists()


def test_lines_that_a_wrong_record_takes_up_are_named(built: Project) -> None:
    (built.root / "w.csv").write_text('text\n"open\nfilm\n"good" one\nlast\n"a "b" c"\n')
    predict(built, "w.csv", "w.jsonl", "--keep-going")
    first, last, single = read_jsonl(built.root / "w.jsonl")
    assert first["error"]["message"] == "lines 2 to 4: ',' expected after '\"'"
    assert (last["text"], last["error"]) == ("last", None)
    assert single["error"]["message"] == "',' expected after '\"'"
