"""JSON Lines: one JSON object a line."""

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.file_source import Place, TextSource
from bertspec.catalog.files.cutting import Ends
from bertspec.catalog.files.records import line_ends
from bertspec.catalog.json_rows import object_of, table_of
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


class Jsonl(TextSource):
    """JSON Lines files; each object's keys are the columns. What is no text becomes its JSON."""

    type: Literal["jsonl"] = Field(description="One JSON object a line.")

    ends: ClassVar[Ends] = staticmethod(line_ends)

    def parse(self, text: str, place: Place, header: str | None) -> "pa.Table":
        # Only a line feed ends a line: U+2028 and others may stand inside a JSON string.
        lines = enumerate(text.split("\n"))
        return table_of([_object(line, place.at_line(n)) for n, line in lines if line.strip()])


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 5,000 digits
        raise InputError.of(
            "E305", f"{place}: not JSON: {error}", "write one JSON object a line"
        ) from None
    return object_of(value, place)
