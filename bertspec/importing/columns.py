"""The columns of a data file and what stands in them, read as `data.source` reads it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.files.opening import BOM, read_blocks
from bertspec.catalog.files.patterns import MAGIC
from bertspec.catalog.numbers import read_numbers
from bertspec.catalog.sources import SOURCES
from bertspec.core.errors import BertspecError
from bertspec.importing.translation import cannot

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_LABELS = 1000
_KINDS = ("csv", "tsv", "json", "jsonl")
_MARKS = (";", "|", ",", " ")
"""What is likely between the items of a list, the likeliest first."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class Columns:
    """A file of rows. Each method reads it anew, a piece at a time."""

    path: Path
    kind: str
    """Its source: `csv`, `tsv`, `json` or `jsonl`."""
    names: tuple[str, ...]

    def texts(self, column: str) -> Iterator[tuple[int, str]]:
        """Values that are not blank, each with the number of its row; no text is as its JSON."""
        row = 0
        for table in _tables(self.path, self.kind):
            values = table[column].to_pylist() if column in table.column_names else ()
            yield from ((row + n, v) for n, v in enumerate(values, 1) if v and v.strip())
            row += len(table)

    def values(self, column: str) -> tuple[str, ...]:
        """The distinct values, sorted; whole numbers as such. So transformers numbers them.

        Raises InputError (E242) for more than a thousand: these are no labels.
        """
        found: set[str] = set()
        for _, text in self.texts(column):
            found.add(text)
            if len(found) > _MOST_LABELS:
                raise cannot(
                    f"{self.path}: `{column}` has more than {_MOST_LABELS} values, which are too "
                    "many for labels",
                    "name another column, or another task",
                )
        if all(_WHOLE.fullmatch(text) for text in found):
            return tuple(sorted(found, key=lambda text: (int(text), text)))
        return tuple(sorted(found))

    def are_decimal(self, column: str) -> bool:
        """Whether every value is a number, and one has decimals or an exponent."""
        import pyarrow as pa

        found = {text.strip() for _, text in self.texts(column)}
        are_numbers = read_numbers(pa.array(found, pa.string())).null_count == 0
        return are_numbers and not all(_WHOLE.fullmatch(text) for text in found)

    def separator(self, column: str) -> str | None:
        """What is between the items of lists that are written as text; None for lists of JSON.

        Raises InputError (E242) for a column that has both.
        """
        lists, marks, row = False, set[str](), 0
        for number, text in self.texts(column):
            if isinstance(_json(text), list):
                lists = True
            else:
                row = row or number
                marks |= {mark for mark in _MARKS if mark in text}
        if lists and row:
            raise self._wrong(column, row, "no list, and other rows have one", '["a", "b"]')
        if lists or (not row and self.kind in ("json", "jsonl")):
            return None
        return next((mark for mark in _MARKS if mark in marks), _MARKS[-1])

    def items(self, column: str) -> tuple[str, ...]:
        """The distinct items of a column of lists, sorted. Raises as `separator`, and for items
        that are lists, objects or null.
        """
        separator = self.separator(column)
        found: set[str] = set()
        for row, text in self.texts(column):
            if separator is not None:
                found |= {item.strip() for item in text.split(separator)}
                continue
            items = _json(text)
            if not all(isinstance(item, str | bool | int | float) for item in items):
                raise self._wrong(column, row, "no list of texts", '["a", "b"]')
            found |= {item if isinstance(item, str) else json.dumps(item) for item in items}
        return tuple(sorted(found - {""}))

    def span_labels(self, column: str) -> tuple[str, ...]:
        """The distinct labels of a column of spans, sorted. Raises InputError (E242) for others."""
        found: set[str] = set()
        for row, text in self.texts(column):
            spans = _json(text)
            labels = [_label(span) for span in spans] if isinstance(spans, list) else [None]
            if None in labels:
                example = '[{"start": 0, "end": 5, "label": "LOC"}]'
                raise self._wrong(column, row, "no list of spans", example)
            found |= {label for label in labels if label is not None}
        return tuple(sorted(found))

    def _wrong(self, column: str, row: int, what: str, example: str) -> BertspecError:
        return cannot(f"{self.path}, row {row}: `{column}` is {what}", f"write {example}")


def read_columns(path: Path) -> Columns:
    """Raises InputError: E242 for a file of another kind or without rows, else as sources do."""
    kind = path.suffix.removeprefix(".")
    if kind not in _KINDS:
        raise cannot(f"{path}: files of this kind are not looked into", "csv, tsv, json or jsonl")
    if any(sign in str(path) for sign in MAGIC):
        raise cannot(f"{path}: `*`, `?` and `[` are signs of patterns in a spec", "rename the file")
    if kind == "json" and not _is_list(path):
        kind = "jsonl"  # as `datasets` has it
    names: dict[str, None] = {}
    rows = 0
    for table in _tables(path, kind):
        names |= dict.fromkeys(name for name in table.column_names if name)
        rows += len(table)
    if not rows:
        raise cannot(f"{path} has no rows", "columns and labels are looked for in them")
    return Columns(path, kind, tuple(names))


def _tables(path: Path, kind: str) -> Iterator["pa.Table"]:
    source = SOURCES[kind].model_validate({"type": kind, "files": {"train": str(path)}})
    row = 1
    for _, piece in source.read(Path()):
        table = piece.read(row)
        row += len(table)
        yield table


def _is_list(path: Path) -> bool:
    start = next(read_blocks(path, str(path)), b"")
    return start.removeprefix(BOM).lstrip().startswith(b"[")


def _json(text: str) -> Any:
    """What a text of JSON says; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _label(span: Any) -> str | None:
    label = span.get("label") if isinstance(span, dict) else None
    return label if isinstance(label, str) else None
