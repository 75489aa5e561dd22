"""Columns for completion: of local files, as they are now, and never waited for."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from bertspec.lsp import header
from bertspec.lsp.header import Headers


def _columns(headers: Headers, source: dict[str, Any], root: Path) -> tuple[str, ...]:
    for _ in range(40):  # the first time, the packages that read files are imported
        if found := headers.columns(source, root):
            return found
    return ()


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_columns_are_those_of_the_file(kind: str, tmp_path: Path) -> None:
    rows = [{"a b": "1", "é": "2"}, {"a b": "3", "é": "4"}]
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        sign = "," if kind == "csv" else "\t"
        path.write_text(f"a b{sign}é\n1{sign}2\n")
    source = {"type": kind, "files": {"train": f"rows.{kind}"}}
    assert _columns(Headers(), source, tmp_path) == ("a b", "é")


def test_a_changed_file_is_read_again_and_an_equal_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("one\n1\n")
    source, headers = {"type": "csv", "files": {"train": "a.csv"}}, Headers()
    assert _columns(headers, source, tmp_path) == ("one",)
    monkeypatch.setattr(header, "_columns", lambda _source, _root: iter(["read again"]))
    assert headers.columns(source, tmp_path) == ("one",)
    (tmp_path / "a.csv").write_text("two,three\n1,2\n")
    assert _columns(headers, source, tmp_path) == ("read again",)


def test_nobody_waits_for_a_slow_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(_source: object, _root: Path) -> Iterator[str]:
        time.sleep(0.5)
        yield "late"

    monkeypatch.setattr(header, "_columns", slowly)
    monkeypatch.setattr(header, "PATIENCE", 0.01)
    (tmp_path / "a.csv").write_text("a\n")
    source, headers = {"type": "csv", "files": {"train": "a.csv"}}, Headers()
    begin = time.monotonic()
    assert headers.columns(source, tmp_path) == ()
    assert time.monotonic() - begin < 0.4
    time.sleep(0.6)
    assert headers.columns(source, tmp_path) == ("late",)


@pytest.mark.parametrize("content", [b"", b"a,a\n1,2\n", b"\xff\n1\n", b'a"\n'])
def test_a_file_that_cannot_be_read_has_no_columns(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    source = {"type": "csv", "files": {"train": "a.csv"}}
    assert Headers().columns(source, tmp_path) == ()


def test_without_the_packages_that_read_files_there_are_no_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    (tmp_path / "a.csv").write_text("a\n")
    headers, begin = Headers(), time.monotonic()
    for _ in range(9):
        assert headers.columns({"type": "csv", "files": {"train": "a.csv"}}, tmp_path) == ()
    assert time.monotonic() - begin < header.PATIENCE, "it is not tried each time"


@pytest.mark.parametrize(
    "source",
    [
        None,
        {"type": []},
        {"type": "csv"},
        {"type": "csv", "files": {"train": "none.csv"}},
        {"type": "csv", "files": {"train": "none*.csv"}},
        {"type": "hub", "id": "a/b", "revision": "main", "splits": {"train": "train"}},
        {"type": "url", "format": "csv", "files": {"train": {"url": "http://127.0.0.1:1/a.csv"}}},
    ],
)
def test_what_is_no_local_file_has_no_columns(source: Any, tmp_path: Path) -> None:
    assert Headers().columns(source, tmp_path) == ()
