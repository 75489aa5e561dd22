"""`bertspec predict --input --output`: files of every kind in and out, bad rows, and memory."""

import csv
import importlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertspec.runtime import at_once
from bertspec.runtime.predicting import lines, writers
from tests.cli.predicting import READ, predict, read_csv, read_jsonl
from tests.naughty import NAUGHTY
from tests.projects import Project

Record = Mapping[str, Any]

TEXTS = ["a warm and funny film", "we hated every minute", "", 'say "no", twice', "one\ntwo",
         "naïve 😀 " * 40, "poor cast", "a\x00b", "tab\there"]  # fmt: skip
ROWS: Sequence[Record] = [{"id": f"r{n}", "review": text} for n, text in enumerate(TEXTS)]


def _write_csv(rows: Sequence[Record], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def _write_jsonl(rows: Sequence[Record], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_parquet(rows: Sequence[Record], path: Path) -> None:
    pq.write_table(
        pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=4 + len(rows) // 8
    )


WRITE: Mapping[str, Callable[[Sequence[Record], Path], None]] = {
    "csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet,
}  # fmt: skip


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are several chunks, and several groups of Parquet."""
    monkeypatch.setattr(at_once, "CHUNK", 4)
    monkeypatch.setattr(writers, "ROWS", 2)
    monkeypatch.setattr(writers, "GROUP_ROWS", 4)


def _lines_end_at(monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    """A line has so many bytes at most, and a field of a table as many as ever."""
    importlib.import_module("bertspec.runtime.predicting.csv")
    monkeypatch.setattr(lines, "LONGEST", longest)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("output", READ)
@pytest.mark.parametrize("source", WRITE)
def test_rows_come_out_in_order_with_their_answers(
    built: Project, source: str, output: str
) -> None:
    WRITE[source](ROWS, built.root / f"in.{source}")
    named = ("--column", "review", "--carry", "id", "--carry", "said=review")
    said = predict(built, f"in.{source}", f"new/out.{output}", *named)
    assert said == f"new/out.{output}: {len(ROWS)} rows\n"
    found = READ[output](built.root / f"new/out.{output}")
    assert [row["id"] for row in found] == [row["id"] for row in ROWS]
    assert [row["text"] for row in found] == [row["said"] for row in found] == TEXTS
    (built.root / "t.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    shown = built.call("predict", "tiny", "--file", "t.jsonl", "--format", "json").stdout
    for row, line in zip(found, shown.splitlines(), strict=True):
        expected = json.loads(line)
        assert row["label"] == expected["label"]
        shares = row["probabilities"] if "probabilities" in row else {
            label: float(row[f"probabilities.{label}"]) for label in ("bad", "good")
        }  # fmt: skip
        assert shares == pytest.approx(expected["probabilities"], abs=1e-6)


def _carry(*columns: str) -> list[str]:
    return [part for name in columns for part in ("--carry", name)]


def test_json_is_carried_as_it_is_and_to_tables_as_text(built: Project) -> None:
    rows: Sequence[Record] = [
        {"text": "a", "n": 7, "when": {"year": 1994}, "on": None, "x": [1, "\ud800"]},
        {"text": "b", "n": "8", "when": {"year": 1995}, "on": True, "x": float("nan")},
    ]
    _write_jsonl(rows, built.root / "c.jsonl")
    found = {}
    for kind, read in READ.items():
        predict(built, "c.jsonl", f"c-out.{kind}", *_carry("n", "when", "on", "x"))
        found[kind] = [
            [row[name] for name in ("n", "when", "on", "x")]
            for row in read(built.root / f"c-out.{kind}")
        ]
    assert found["jsonl"] == [
        [7, {"year": 1994}, None, [1, "\ud800"]], ["8", {"year": 1995}, True, None]
    ]  # fmt: skip
    half = '[1, "\\ud800"]'
    texts = [["7", '{"year": 1994}', None, half], ["8", '{"year": 1995}', "true", "null"]]
    assert found["parquet"] == texts
    assert found["csv"][0] == ["7", '{"year": 1994}', "", half]


def test_columns_of_parquet_are_carried_with_their_types(built: Project) -> None:
    columns = {
        "day": pa.array([1, None], pa.date32()), "raw": pa.array([b"\xff", b""]),
        "a.b": pa.array([0.5, float("nan")]), "place": pa.array([{"x": 1}, None]),
    }  # fmt: skip
    text = pa.array(["a", "b"]).dictionary_encode()
    pq.write_table(pa.table({"text": text, **columns}), built.root / "d.parquet")
    for kind in READ:
        predict(built, "d.parquet", f"d-out.{kind}", *_carry(*columns))
    with pq.ParquetFile(built.root / "d-out.parquet") as file:
        found = file.read()
    for name, values in columns.items():
        assert found[name].type == values.type
        assert str(found[name].to_pylist()) == str(values.to_pylist())  # NaN is unlike itself
    first, second = read_jsonl(built.root / "d-out.jsonl")
    assert [first[name] for name in columns] == ["1970-01-02", "ff", 0.5, {"x": 1}]
    assert [second[name] for name in columns] == [None, "", None, None]
    first, second = read_csv(built.root / "d-out.csv")
    assert (first["day"], first["place.x"]) == ("1970-01-02", "1")
    assert (second["day"], second["place.x"]) == ("", "")


BAD_JSONL = b"""{"text": "good"}
{"text": 7}
not json

[1]
{"body": "no text"}
{"text": null}
{"text": "\xff"}
{"text": [[[]]]}
{"text": "a very long line, which is not held in memory, of one hundred and more bytes or so it is"}
{"text": "\\u0000\\ud800"}
""" + b'{"text": ' + b"[" * 100_000 + b"\n" + b'{"text": "last"}'  # fmt: skip

BAD_CSV = b"""id,text
1,good
2,too,many
3
4,"a "stray" quote"
5,\xff
6,"two
lines"
7,last
8,""" + b"long " * 20 + b"""
9,"two lines
""" + b"long " * 20 + b"""and long"
10,last
"""  # fmt: skip

BAD_TSV = b"text\tid\ngood\t1\nshort\n\xff\t3\n" + b"long " * 20 + b"\t4\nlast\t5\n"


@pytest.mark.parametrize(
    ("name", "content", "codes"),
    [
        (
            "bad.jsonl",
            BAD_JSONL,
            [None, "E453", "E452", "E452", "E309", "E453", "E302", "E453", "E316", None, "E316",
             None],
        ),
        (
            "bad.csv",
            BAD_CSV,
            [None, "E452", "E452", "E452", "E302", None, None, "E316", "E316", None],
        ),
        ("bad.tsv", BAD_TSV, [None, "E452", "E302", "E316", None]),
        ("bad.txt", b"good\n\xff\nlast", [None, "E302", None]),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_predicted_have_an_error_and_the_rest_goes_on(
    built: Project,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    codes: list[str | None],
) -> None:
    _lines_end_at(monkeypatch, 90)
    (built.root / name).write_bytes(content)
    for kind, read in READ.items():
        said = predict(built, name, f"out.{kind}", "--keep-going")
        wrong = sum(code is not None for code in codes)
        assert said == f"out.{kind}: {len(codes)} rows, {wrong} of them with an error\n"
        found = read(built.root / f"out.{kind}")
        if kind == "csv":
            assert [row["error.code"] or None for row in found] == codes
        else:
            assert [row["error"] and row["error"]["code"] for row in found] == codes
        for row, code in zip(found, codes, strict=True):
            assert bool(row["label"]) is (code is None), "an answer or an error"
    alone = json.loads(built.call("predict", "tiny", "good", "--format", "json").stdout)
    assert {k: v for k, v in read_jsonl(built.root / "out.jsonl")[0].items() if k in alone} == alone
    for fmt in ("text", "json"):
        shown = built.bertspec("predict", "tiny", "--input", name, "--keep-going", "--format", fmt)
        for line, code in zip(shown.splitlines(), codes, strict=True):
            assert re.findall(r"\bE\d{3}\b", line) == [code] * bool(code)


@pytest.mark.parametrize("output", READ)
@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("bad.jsonl", BAD_JSONL, "bad.jsonl, line 2: `text` must be a text, and it is 7"),
        ("bad.csv", BAD_CSV, "bad.csv, row 2: 3 fields"),
        ("bad.txt", b"good\n\xff\n", "bad.txt, line 2: not UTF-8"),
        ("long.csv", b"text\ngood\n" + b"x" * 200 + b"\n", "long.csv, line 3: it has more than"),
        ("header.csv", b"text" * 50 + b"\ngood\n", "header.csv, line 1: it has more than"),
    ],
)
def test_without_it_the_first_bad_row_is_told_and_no_file_appears(
    built: Project,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    place: str,
    output: str,
) -> None:
    _lines_end_at(monkeypatch, 150)
    (built.root / name).write_bytes(content)
    folder = built.root / "kept"
    folder.mkdir(exist_ok=True)
    (folder / f"out.{output}").write_text("of yesterday")
    before = sorted(folder.iterdir())
    said = predict(built, name, f"kept/out.{output}", code=2)
    assert place in said
    assert said.count("\n") <= 2
    assert sorted(folder.iterdir()) == before
    assert (folder / f"out.{output}").read_text() == "of yesterday"


def test_behind_a_long_line_that_opens_a_quote_no_text_is_made_up(
    built: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lines_end_at(monkeypatch, 90)
    (built.root / "open.csv").write_bytes(b'text\n6" tall\n"' + b"x" * 200 + b'\nrest"\ngood\n')
    said = predict(built, "open.csv", "open.jsonl", "--keep-going", code=2)
    assert "open.csv, line 3: it has more than" in said
    assert not (built.root / "open.jsonl").exists()


OPENING = {
    '3,"never closed\n': 4,
    '3,"closed\nhere","and ""here"" never\n': 5,
    '3,"closed\nhere","","never\n': 5,
    '3,"a ""quote"" and\n""another""\n': 4,
    '"a\n""b""\n",6" tall\n"again\n': 7,
}
"""Lines of CSV behind which a quoted field goes on, and where it opens: the first is line 4."""


@pytest.mark.parametrize("begin", OPENING)
def test_in_a_quoted_field_that_does_not_end_no_text_is_made_up(
    built: Project, monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    monkeypatch.setattr(importlib.import_module("bertspec.runtime.predicting.csv"), "LONGEST", 500)
    before = 'id,text\n1,6" tall\n2,"a ""good"" one"\n'
    (built.root / "endless.csv").write_text(before + begin + "n,a film of its own\n" * 40)
    most = csv.field_size_limit()
    try:
        said = predict(built, "endless.csv", "endless.jsonl", "--keep-going", code=2)
    finally:
        csv.field_size_limit(most)  # it is of all of Python
    assert f"error[E316]: endless.csv, line {OPENING[begin]}: a field in quotes" in said
    assert "look for a quote that is never closed there" in said
    assert not (built.root / "endless.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a text", "--output", "o.xlsx"), ["E456", "o.xlsx", ".parquet"]),
        (("a text", "--output", "folder.csv"), ["E456", "folder.csv is a folder"]),
        (("--input", "n.csv", "--output", "o.csv", "--carry", "label"),
         ["E456", "two columns `label`", "--carry NAME=COLUMN"]),
        (("--input", "n.csv", "--output", "o.csv", "--carry", "probabilities.good=label"),
         ["E456", "two columns `probabilities.good`", "--carry NAME=COLUMN"]),
        (("--input", "n.csv", "--output", "o.csv", "--carry", "error.code=label", "--keep-going"),
         ["E456", "two columns `error.code`"]),
        (("--input", "n.parquet", "--output", "o.csv", "--carry", "a", "--carry", "a.b"),
         ["E456", "two columns `a.b`"]),
        (("--input", "n.csv", "--output", "o.csv", "--carry", "lable"),
         ["E309", "n.csv", "mean `label`?"]),
        (("--input", "t.csv", "--output", "o.csv"), ["E304", "t.csv", "`text`"]),
        (("--input", "n.txt", "--carry", "id"), ["E452", "n.txt", "one text a line"]),
        (("a text", "--carry", "id"), ["--carry", "--input"]),
        (("a text", "--output", "o.csv", "--format", "json"), ["--format", "--output"]),
        (("--input", "n.csv", "--carry", "a=text", "--carry", "a=label"),
         ["gives the name `a` twice: to `text` and to `label`"]),
        (("--input", "n.csv", "--carry", "=label"), ["--carry =label is neither COLUMN nor"]),
        (("--input", "n.csv", "--carry", "a="), ["--carry a= is neither COLUMN nor"]),
        (("--input", "n.csv", "--carry", ""), ["is neither COLUMN nor NAME=COLUMN"]),
        (("--input", "n.csv", "--column", "text=label", "--column", "text"),
         ["twice what `text` is: `label` and `text`"]),
        (("--input", "q.csv", "--keep-going"), ["E452", "q.csv, line 1"]),
        (("--input", "l.csv", "--keep-going"), ["E302", "l.csv, line 1"]),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_told(
    built: Project, arguments: tuple[str, ...], words: list[str]
) -> None:
    for name, content in {
        "n.csv": "text,label\na,good\n", "t.csv": "text,text\na,b\n", "n.txt": "a\n",
        "q.csv": '"te"xt\na\n', "l.csv": "te\udce4xt\na\n",
    }.items():  # fmt: skip
        (built.root / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    (built.root / "folder.csv").mkdir(exist_ok=True)
    _write_parquet([{"text": "a", "a": {"b": 1}, "a.b": 2}], built.root / "n.parquet")
    said = built.bertspec("predict", "tiny", *arguments, code=2)
    assert all(word in said for word in words), said
    assert not (built.root / "o.csv").exists()


def test_what_has_the_name_of_a_column_gets_another(built: Project) -> None:
    _write_csv([{"text": "a warm film", "label": "good"}], built.root / "gold.csv")
    predict(built, "gold.csv", "gold-out.jsonl", "--carry", "gold=label")
    (row,) = read_jsonl(built.root / "gold-out.jsonl")
    assert list(row) == ["text", "gold", "label", "probabilities"]
    assert row["gold"] == "good"
    named = ("gold.csv", "gold-out.jsonl", "--carry", "probabilities.good=label")
    predict(built, *named)  # objects stay objects
    (row,) = read_jsonl(built.root / "gold-out.jsonl")
    assert (row["probabilities.good"], len(row["probabilities"])) == ("good", 2)


@pytest.mark.parametrize("output", READ)
def test_no_rows_are_a_file_without_rows(built: Project, output: str) -> None:
    (built.root / "none.csv").write_text("text\n")
    predict(built, "none.csv", f"none.{output}")
    assert READ[output](built.root / f"none.{output}") == []


def test_texts_may_be_written_to_a_file(built: Project) -> None:
    built.bertspec("predict", "tiny", "one", "two", "--output", "texts.csv")
    assert [row["text"] for row in read_csv(built.root / "texts.csv")] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("blank.csv", 'text\na\n\n""\r\n\r\nb\n\n', ["a", "", "b"]),
        ("blank.tsv", "text\na\n\nb\n", ["a", "b"]),
        ("blank.jsonl", '{"text": "a"}\n\n{"text": "b"}\n', ["a", "b"]),
        ("blank.txt", "a\n\nb\n", ["a", "", "b"]),
    ],
)
def test_a_blank_line_is_a_row_of_a_text_file_alone(
    built: Project, name: str, content: str, texts: list[str]
) -> None:
    (built.root / name).write_bytes(content.encode())
    predict(built, name, "blank-out.jsonl")
    assert [row["text"] for row in read_jsonl(built.root / "blank-out.jsonl")] == texts


@pytest.mark.parametrize("kind", READ)
def test_any_text_has_an_answer(built: Project, kind: str) -> None:
    """The naughty strings, a megabyte, bytes of a program, and none, through every format."""
    binary = Path(sys.executable).read_bytes()[:4096].decode("latin-1")
    texts = [*NAUGHTY, "", " ", "\x00" * 9, "x" * 1_000_000, "a b " * 250_000, binary]
    WRITE[kind]([{"text": text} for text in texts], built.root / f"any.{kind}")
    predict(built, f"any.{kind}", f"any-out.{kind}", "--keep-going")
    found = READ[kind](built.root / f"any-out.{kind}")
    assert [row["text"] for row in found] == texts
    assert all(row["label"] in ("bad", "good") for row in found)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_is_interrupted_leaves_nothing(
    built: Project, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "interrupted"
    folder.mkdir()
    command = ["predict", "models/tiny/export", "--output", str(folder / "out.csv")]
    with subprocess.Popen(
        [Path(sys.executable).parent / "bertspec", *command],
        cwd=built.root, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not list(folder.iterdir()):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert process.stderr
        assert "interrupted" in process.stderr.read()
    assert list(folder.iterdir()) == []
