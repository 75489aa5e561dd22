"""`bertspec predict` of files, as tests run it."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.projects import Project


def predict(built: Project, source: str, output: str, *more: str, code: int = 0) -> str:
    arguments = ("predict", "tiny", "--input", source, "--output", output, *more)
    return built.bertspec(*arguments, code=code)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[dict[str, Any]]:
    return pq.ParquetFile(path).read().to_pylist()


READ: Mapping[str, Callable[[Path], list[dict[str, Any]]]] = {
    "csv": read_csv, "jsonl": read_jsonl, "parquet": read_parquet,
}  # fmt: skip
