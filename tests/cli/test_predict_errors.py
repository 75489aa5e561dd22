"""`bertspec predict`: rows with errors and what is kept of them, and files that cannot be."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertspec.runtime.at_once import CHUNK
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


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("u.txt", "good".encode("utf-16"), ["E302", "UTF-16", "iconv -f utf-16"]),
        ("u.csv", "\ufefftext\ngood\n".encode("utf-16-be"), ["E302", "u.csv", "UTF-16"]),
        (
            "z.jsonl",
            gzip.compress(b'{"text": "good"}\n', mtime=0),
            ["E302", "z.jsonl, line 1: ", "gzip -dc"],
        ),
        ("z.csv", gzip.compress(b"text\ngood\n", mtime=0), ["E302", "z.csv", "gzip"]),
        ("s.csv", b"text;n\ngood;1\n", ["E309", "no column `text`", "delimiter looks like `;`"]),
        ("t.csv", b"text\tn\ngood\t1\n", ["E309", "delimiter looks like a tab"]),
        ("c.tsv", b"text,n\ngood,1\n", ["E309", "delimiter looks like `,`"]),
    ],
)
def test_a_file_of_another_form_is_told_with_what_it_looks_like(
    built: Project, name: str, content: bytes, words: list[str]
) -> None:
    (built.root / name).write_bytes(content)
    said = built.bertspec("predict", "tiny", "--input", name, "--keep-going", code=2)
    assert all(word in said for word in words), said
    assert "latin1" not in said
    assert "did you mean" not in said


def test_a_pipe_is_read(built: Project, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\na film\n")
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "link.csv").symlink_to("/dev/stdin")
    into, named = f"cat {tmp_path}/in.csv", f"bertspec predict tiny --input {tmp_path}"
    for command in (
        f"{into} > {tmp_path}/pipe.csv & {named}/pipe.csv",
        f"{into} | {named}/link.csv",
    ):
        assert "a film" in built.run("bash", "-c", command).stdout
    said = built.bertspec("predict", "tiny", "--input", str(tmp_path / "pipe.parquet"), code=2)
    assert "E452" in said
    assert "pipe.parquet is a pipe" in said
    said = built.bertspec("predict", "tiny", "--input", "/dev/null", code=2)
    assert "/dev/null is neither a file nor a pipe" in said


def test_why_a_file_cannot_be_written_is_told(built: Project, tmp_path: Path) -> None:
    (tmp_path / "one.csv").symlink_to("other.csv")
    (tmp_path / "other.csv").symlink_to("one.csv")
    (tmp_path / "file").write_text("")
    for output, words in {
        "one.csv": "links lead to each other",
        "file/o.csv": "a file stands where a folder is wanted",
        "file/deep/o.csv": "a file stands where a folder is wanted",
    }.items():
        said = built.bertspec("predict", "tiny", "a", "--output", str(tmp_path / output), code=3)
        assert "error[E503]" in said
        assert words in said
        assert "check that the path exists" not in said
    (tmp_path / "many.txt").write_text("a film\n" * 500)
    files = f"--input {tmp_path}/many.txt --output {tmp_path}/large.csv"
    said = built.run("bash", "-c", f"ulimit -f 1; bertspec predict tiny {files}", code=3).stderr
    assert "error[E503]: File too large" in said
    assert "`ulimit -f`" in said
    assert not list(tmp_path.glob("*large.csv*"))


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("bundle verify models/tiny/export > /dev/full", 3, "the disk is full"),
        ("bundle verify models/tiny/export | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("predict nosuch x >&-", 2, "error[E451]"),
        ("predict tiny x >&-", 0, ""),
    ],
)
def test_what_cannot_be_printed_is_told_once(
    built: Project, command: str, code: int, words: str
) -> None:
    said = built.run("bash", "-c", f"PYTHONUNBUFFERED= bertspec {command}", code=code).stderr
    assert words in said
    assert "Exception" not in said
    assert "Traceback" not in said


def test_of_what_is_printed_nobody_says_that_it_is_whole(built: Project) -> None:
    command = "PYTHONUNBUFFERED= bertspec predict tiny x > /dev/full"
    said = built.run("bash", "-c", command, code=3).stderr
    assert "error[E503]: the disk is full, and what is printed is not all" in said
    assert "ignored" not in said
    assert "half-written" not in said
    with subprocess.Popen(
        [Path(sys.executable).parent / "bertspec", "predict", "tiny"],
        cwd=built.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write("a film\n" * (CHUNK + 1))
        process.stdin.flush()
        assert "a film" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert said.strip() == "interrupted; what is printed may not be all"
