"""The header and the labels of a data file, as far as a translation needs them."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.importing.translation import cannot

_MOST_LABELS = 1000


@dataclass(frozen=True)
class Columns:
    """A file of rows."""

    path: Path
    kind: str
    """Its source: `csv`, `tsv`, `json` or `jsonl`."""
    names: tuple[str, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        yield from _rows(self.path, self.kind)

    def values(self, column: str) -> tuple[str, ...]:
        """The distinct values, sorted, as transformers numbers them.

        Raises InputError (E242) for a thousand and more: these are no labels.
        """
        found: set[str] = set()
        for row in self.rows():
            value = row.get(column)
            found |= set() if value is None else {str(value)}
            if len(found) > _MOST_LABELS:
                raise cannot(f"{self.path}: `{column}` has too many values for labels", "check it")
        return tuple(sorted(found))

    def are_decimal(self, column: str) -> bool:
        """Whether every value is a number, and one has decimals."""
        values = [row.get(column) for row in self.rows()]
        texts = [str(value) for value in values if value is not None]
        return bool(texts) and all(map(_is_number, texts)) and any("." in text for text in texts)


def read_columns(path: Path) -> Columns:
    """Raises InputError (E242) for a file that is not there, or of another kind."""
    kind = path.suffix.removeprefix(".")
    if kind not in ("csv", "tsv", "json", "jsonl"):
        raise cannot(f"{path}: files of this kind are not looked into", "csv, tsv, json or jsonl")
    if kind == "json" and not _is_list(path):
        kind = "jsonl"  # as `datasets` has it
    first = next(_rows(path, kind), {})
    if not isinstance(first, dict):
        raise cannot(f"{path} has no rows with named values", "each row is an object")
    return Columns(path, kind, tuple(first))


def _rows(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if kind in ("csv", "tsv"):
                yield from csv.DictReader(file, delimiter="," if kind == "csv" else "\t")
            elif kind == "json":
                yield from json.load(file)
            else:
                yield from (json.loads(line) for line in file if line.strip())
    except (OSError, ValueError, csv.Error, TypeError) as error:
        raise cannot(f"{path} cannot be read: {error}", "check the file") from None


def _is_list(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(1000).lstrip().startswith("[")
    except (OSError, ValueError) as error:
        raise cannot(f"{path} cannot be read: {error}", "check the file") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
