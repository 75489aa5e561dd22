"""`bertspec predict --input --output`: how much memory it takes."""

import csv
import json
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.projects import Project

PEAK = """
import sys
from bertspec.cli import main
from bertspec.runtime.benching.memory import peak_memory
for source, output in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        main(["predict", "tiny", "--carry", "rest", "--input", source, "--output", output])
    except SystemExit as end:
        assert not end.code
    print(peak_memory() >> 20)
"""
"""Predicts files, and prints after each the most memory that it had until then, in MiB."""

ROW_BYTES, MANY = 1 << 16, 300
LONG, LONG_ROWS = 1 << 18, 75


def _random_rows(count: int, length: int) -> list[dict[str, str]]:
    return [{"text": f"a film of {n}", "rest": os.urandom(length // 2).hex()} for n in range(count)]


def _write_repeated(count: int, path: Path, *, stays: bool) -> None:
    """A long text in each row, which the file has once. `stays`: it is read as a dictionary.

    It begins with rows of none, so that the first do not tell of the others.
    """
    texts = pa.array(["", "x" * LONG]).take(pa.array([0] * 70 + [1] * count)).dictionary_encode()
    table = pa.table({"text": ["a film"] * len(texts), "rest": texts})
    pq.write_table(table, path, store_schema=stays)


def test_memory_does_not_grow_with_the_file(built: Project) -> None:
    """Whether rows are many, or long, or much longer than in the file."""

    def peaks(times: int) -> list[int]:
        rows = _random_rows(times * MANY, ROW_BYTES)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (built.root / "many.jsonl").write_text(lines, encoding="utf-8")
        table = pa.Table.from_pylist(rows)
        pq.write_table(table, built.root / "many.parquet", row_group_size=50)
        # One row group. A page of it is read whole, so it is of few rows; if not said, of 1024.
        pq.write_table(table, built.root / "one.parquet", write_batch_size=16)
        with (built.root / "long.csv").open("w", encoding="utf-8", newline="") as file:
            long = _random_rows(times * LONG_ROWS, LONG)
            csv.writer(file).writerows([["text", "rest"], *(row.values() for row in long)])
        for stays in (True, False):
            name = f"repeated-{stays}.parquet"
            _write_repeated(times * LONG_ROWS, built.root / name, stays=stays)
        told = built.run(
            sys.executable, "-c", PEAK, "many.jsonl", "1.parquet", "many.parquet", "2.csv",
            "long.csv", "3.jsonl", "repeated-True.parquet", "4.csv",
            "repeated-False.parquet", "5.jsonl", "one.parquet", "6.csv",
        ).stdout  # fmt: skip
        return [int(line) for line in told.splitlines()]

    few, many = peaks(1), peaks(4)
    grown = min(ROW_BYTES * 3 * MANY, LONG * 3 * LONG_ROWS) >> 20
    assert [b - a < grown / 2 for a, b in zip(few, many, strict=True)] == [True] * 6, (few, many)
