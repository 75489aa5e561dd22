"""`bertspec predict --carry` of Parquet: numbers that are none, and times that Python has not."""

import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.predicting import READ, predict, read_csv, read_jsonl
from tests.projects import Project

LATE = pa.array([1 << 22, None], pa.int32()).cast(pa.date32())


def _times(kind: pa.DataType, value: int) -> pa.Array:
    whole = pa.int32() if kind.bit_width == 32 else pa.int64()
    return pa.array([value, None], whole).cast(kind)


COLUMNS: dict[str, tuple[pa.Array, Any]] = {
    "known": (_times(pa.timestamp("us"), 1_500_000), "1970-01-01 00:00:01.500000"),
    "zone": (_times(pa.timestamp("ms", "Europe/Oslo"), 0), "1970-01-01 01:00:00+01:00"),
    "whole": (_times(pa.timestamp("ns"), 10**9), "1970-01-01 00:00:01"),
    "nano": (_times(pa.timestamp("ns"), 1), "1970-01-01 00:00:00.000000001"),
    "time": (_times(pa.time64("ns"), 1), "00:00:00.000000001"),
    "length": (_times(pa.duration("ns"), 10**9), "0:00:01"),
    "late": (LATE, "13453-08-13"),
    "early": (_times(pa.date32(), -(1 << 22)), "-9514-05-21"),
    "mars": (_times(pa.timestamp("ms", "Mars/Phobos"), 1), "1970-01-01 00:00:00.001Z"),
    "dates": (pa.ListArray.from_arrays([0, 1, 2], LATE), ["13453-08-13"]),
    "part": (pa.StructArray.from_arrays([LATE], ["day"]), {"day": "13453-08-13"}),
    "pairs": (
        pa.MapArray.from_arrays([0, 1, 2], pa.array(["k", "l"]), LATE), [["k", "13453-08-13"]],
    ),
}  # fmt: skip
"""Times, first one and then none, and what JSON has of the first."""

PREDICT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "pytz"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Blocked())
from bertspec.cli import main
main(sys.argv[1:])
"""
"""The command as the extra `predict` has it, which brings no pandas."""


@pytest.mark.parametrize("with_pandas", [True, False])
def test_times_are_carried_that_python_has_not(built: Project, with_pandas: bool) -> None:
    columns = {name: values for name, (values, _) in COLUMNS.items()}
    pq.write_table(pa.table({"text": ["a", "b"], **columns}), built.root / "times.parquet")
    carry = [part for name in columns for part in ("--carry", name)]
    for kind in READ:
        arguments = ("times.parquet", f"times-out.{kind}", *carry)
        if with_pandas:
            predict(built, *arguments)
        else:
            source, output, *more = arguments
            named = ("predict", "tiny", "--input", source, "--output", output, *more)
            built.run(sys.executable, "-c", PREDICT, *named)
    first, second = read_jsonl(built.root / "times-out.jsonl")
    assert {name: first[name] for name in COLUMNS} == {n: said for n, (_, said) in COLUMNS.items()}
    assert [second[name] for name in list(COLUMNS)[:9]] == [None] * 9
    assert [second[name] for name in list(COLUMNS)[9:]] == [[None], {"day": None}, [["l", None]]]
    cells = read_csv(built.root / "times-out.csv")[0]
    plain = {name: said for name, (_, said) in COLUMNS.items() if isinstance(said, str)}
    assert {name: cells[name] for name in plain} == plain
    assert (cells["part.day"], cells["dates"]) == ("13453-08-13", '["13453-08-13"]')
    given, found = (
        pq.read_table(built.root / f"{name}.parquet") for name in ("times", "times-out")
    )
    assert found.select(list(COLUMNS)).equals(given.select(list(COLUMNS)))


def test_numbers_that_are_none_are_null_in_json(built: Project) -> None:
    numbers = [float("nan"), float("inf"), 0.5]
    columns = {
        "x": pa.array(numbers),
        "m": pa.array([[("k", x)] for x in numbers], pa.map_(pa.string(), pa.float64())),
        "s": pa.array([{"deep": [x]} for x in numbers]),
    }
    pq.write_table(pa.table({"text": ["a"] * 3, **columns}), built.root / "none.parquet")
    carry = [part for name in columns for part in ("--carry", name)]
    for kind in ("jsonl", "csv"):
        predict(built, "none.parquet", f"none.{kind}", *carry)
    assert [[row[name] for name in columns] for row in read_jsonl(built.root / "none.jsonl")] == [
        [x, [["k", x]], {"deep": [x]}] for x in (None, None, 0.5)
    ]
    assert [(row["x"], row["m"]) for row in read_csv(built.root / "none.csv")] == [
        ("nan", '[["k", null]]'), ("inf", '[["k", null]]'), ("0.5", '[["k", 0.5]]')
    ]  # fmt: skip
