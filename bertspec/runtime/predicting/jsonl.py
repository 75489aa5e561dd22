"""Rows of JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from pathlib import Path

from bertspec.core.errors import BertspecError, InputError
from bertspec.runtime.predicting.lines import decoded, numbered
from bertspec.runtime.predicting.row import Row, Rows, Wanted, row_of, text_types


def read_jsonl(path: Path, wanted: Wanted) -> Rows:
    """A .jsonl file. Blank lines are no rows; a line that is no object is a row with a fault."""
    return Rows(_rows(path, wanted), text_types(wanted))


def _rows(path: Path, wanted: Wanted) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in numbered(file):
            text = decoded(line)
            if isinstance(text, str) and not text.strip():
                continue
            yield _row(text, f"{path}, line {number}", wanted)


def _row(text: str | BertspecError, place: str, wanted: Wanted) -> Row:
    if isinstance(text, BertspecError):
        return Row(place, {}, fault=text)
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 5,000 digits
        fault = InputError.of("E452", f"not JSON: {error}", "write one object a line")
        return Row(place, {}, fault=fault)
    if not isinstance(record, dict):
        fault = InputError.of("E452", "not an object", 'write {"text": "..."}')
        return Row(place, {}, fault=fault)
    return row_of(place, record, wanted)
