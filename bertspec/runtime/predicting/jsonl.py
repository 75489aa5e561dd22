"""Rows of JSON Lines: one object a line."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertspec.core.diagnostics import Severity, render
from bertspec.core.errors import BertspecError, InputError, at_place
from bertspec.runtime.predicting.lines import decoded, numbered
from bertspec.runtime.predicting.row import Row, Rows, Wanted, missing, row_of, text_types


def read_jsonl(path: Path, wanted: Wanted) -> Rows:
    """A .jsonl file. Blank lines are no rows; a line that is no object is a row with a fault.

    What is carried and not there is None, as many programs leave out a null; of what no line has,
    a warning is written to standard error.
    """
    return Rows(_rows(path, wanted), text_types(wanted))


def _rows(path: Path, wanted: Wanted) -> Iterator[Row]:
    seen: set[str] = set()
    last: dict[str, Any] = {}
    with path.open("rb") as file:
        for number, line in numbered(file, str(path)):
            text = decoded(line)
            if isinstance(text, str) and not text.strip():
                continue
            record = text if isinstance(text, BertspecError) else _record(text)
            place = f"{path}, line {number}"
            if isinstance(record, BertspecError):
                yield Row(place, fault=record)
                continue
            seen.update(column for column in wanted.carried.values() if column in record)
            yield row_of(place, last := record, wanted)
    if last and (fault := missing(wanted.carried.values(), {*seen, *last})):
        told = at_place(f"{path}, all lines", fault).diagnostics[0]  # it may be misspelled
        sys.stderr.write(render([replace(told, severity=Severity.WARNING)], "text") + "\n")


def _record(text: str) -> dict[str, Any] | BertspecError:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 5,000 digits
        return InputError.of("E452", f"not JSON: {error}", "write one object a line")
    if not isinstance(record, dict):
        return InputError.of("E452", "not an object", 'write {"text": "..."}')
    return record
