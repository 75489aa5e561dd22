"""Text sources: every text comes through unchanged; bad input is told with file and row."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertspec.core.errors import InputError
from tests.naughty import NAUGHTY
from tests.stages import read_whole, source_of


def _read(tmp_path: Path, kind: str, content: bytes | str, **options: Any) -> list[dict[str, Any]]:
    path = tmp_path / "data.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = source_of(kind, files={"train": "data.txt"}, **options)
    ((split, table),) = read_whole(source, tmp_path).items()
    assert split == "train"
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def test_csv_keeps_quoted_commas_quotes_line_breaks_and_empty_fields(tmp_path: Path) -> None:
    rows = _read(tmp_path, "csv", '\ufefftext,label\r\n"a, ""b""\r\nc",\r\nNA,null\r\n')
    assert [(r["text"], r["label"]) for r in rows] == [('a, "b"\r\nc', ""), ("NA", "null")]
    source = source_of("csv", files={"train": "data.txt"})
    assert [(split, piece.file) for split, piece in source.read(tmp_path)] == [
        ("train", "data.txt")
    ]


def test_tsv_takes_quotes_for_text_and_names_columns_without_a_header(tmp_path: Path) -> None:
    content = '1\t"unbalanced\n0\the said "no"\n'
    rows = _read(tmp_path, "tsv", content, column_names=["label", "text"])
    assert [r["text"] for r in rows] == ['"unbalanced', 'he said "no"']


def test_jsonl_spells_other_values_as_json_and_keeps_line_separators(tmp_path: Path) -> None:
    rows = _read(
        tmp_path, "jsonl", '{"text": "a\u2028b", "label": 1}\n\n{"text": null, "x": true}\n'
    )
    assert [(r["text"], r["label"], r["x"]) for r in rows] == [
        ("a\u2028b", "1", None),
        (None, None, "true"),
    ]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_TEXT, min_size=1, max_size=8))
def test_any_text_comes_through_csv_and_jsonl_unchanged(tmp_path: Path, texts: list[str]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(["text"])
    writer.writerows([t] for t in texts)
    assert [r["text"] for r in _read(tmp_path, "csv", buffer.getvalue())] == texts
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    assert [r["text"] for r in _read(tmp_path, "jsonl", lines)] == texts


def test_the_naughty_strings_come_through_unchanged(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": t}) + "\n" for t in NAUGHTY)
    assert [r["text"] for r in _read(tmp_path, "jsonl", lines)] == NAUGHTY
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["text"], *([t] for t in NAUGHTY)])
    assert [r["text"] for r in _read(tmp_path, "csv", buffer.getvalue())] == NAUGHTY


BAD: list[tuple[str, bytes, str, str]] = [
    ("csv", b"a,b\n1,2\n3,4,5\n", "E303", r"data.txt, row 2: 3 fields.*2 columns"),
    ("csv", b'a,b\n"x,1\n', "E303", "data.txt, line 2"),
    ("csv", b"", "E303", "data.txt is empty"),
    ("csv", b"a,a\n1,2\n", "E304", "data.txt has two columns `a`"),
    ("csv", b"a\nx\ncaf\xe9\n", "E302", "data.txt, line 3: byte 0xe9 at offset 7"),
    ("csv", b"\xef\xbb\xbfa\n\xff\n", "E302", "line 2: byte 0xff at offset 5"),
    ("tsv", b"a\tb\n1\n", "E303", "data.txt, row 1: 1 fields"),
    ("jsonl", b'{"a": 1}\n{"a": \n', "E305", "data.txt, line 2: not JSON"),
    ("jsonl", b"[1]\n", "E305", "data.txt, line 1: not an object"),
]


@pytest.mark.parametrize(("kind", "content", "code", "message"), BAD)
def test_bad_files_are_told_with_file_and_row(
    tmp_path: Path, kind: str, content: bytes, code: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, kind, content)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert re.search(message, found.message), found.message
    assert found.help


def test_a_missing_file_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").touch()
    source = source_of("csv", files={"train": "review.csv"})
    with pytest.raises(InputError) as caught:
        list(source.read(tmp_path))
    assert "reviews.csv" in caught.value.diagnostics[0].help
