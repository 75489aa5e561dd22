"""JSON: a list of objects, at the top of the file or below a field of it."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.opening import BOM, UTF8, Encoding, read_blocks
from bertspec.catalog.json_rows import object_of, table_of
from bertspec.catalog.source import Piece
from bertspec.catalog.tables import pieces_of
from bertspec.core.errors import InputError, reason

if TYPE_CHECKING:
    import pyarrow as pa

DEEPEST = 200
"""Lists and objects in one another. The parser remembers where it is, and that grows with both."""

BATCH = 4096
"""Objects that become a table at once."""


class Json(FileSource):
    """JSON files with a list of objects, read an object at a time; their keys are the columns.

    What is no text becomes its JSON, as in `jsonl`.
    """

    packages: ClassVar[tuple[str, ...]] = ("ijson", "pyarrow")

    type: Literal["json"] = Field(description="A JSON file with a list of objects.")
    field: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None,
        description="Where the list is: keys with a dot between them, such as `data.rows`. "
        "By default it is the whole file.",
    )
    encoding: Encoding = Field(
        default=UTF8,
        description="Encoding of the files, such as `latin-1`. A byte-order mark is left out.",
    )

    def read_file(self, path: Path, name: str) -> Iterator[Piece]:
        return pieces_of(self._tables(path, name), name)

    def _tables(self, path: Path, name: str) -> Iterator["pa.Table"]:
        rows: list[dict[str, Any]] = []
        number = 0
        for number, value in enumerate(self._values(path, name), start=1):
            rows.append(object_of(value, f"{name}, record {number}"))
            if len(rows) == BATCH:
                yield table_of(rows)
                rows = []
        if rows:
            yield table_of(rows)
        if not number:
            where = f"list at `{self.field}`" if self.field else "list"
            raise InputError.of(
                "E330", f"{name} has no {where} with objects in it", "check `field`, and the file"
            )

    def _values(self, path: Path, name: str) -> Iterator[Any]:
        import ijson

        blocks = read_blocks(path, name, self.encoding)
        data = chain((next(blocks, b"").removeprefix(BOM),), blocks)
        # An empty block would be taken for the end.
        stream = ijson.from_iter(block for block in data if block)
        prefix = f"{self.field}.item" if self.field else "item"
        try:
            yield from ijson.items(_shallow(ijson.parse(stream, use_float=True)), prefix)
        except (ijson.JSONError, ValueError, RecursionError) as error:  # ValueError: 5,000 digits
            raise InputError.of(
                "E305",
                f"{name}: not JSON: {reason(error)}",
                "`python -m json.tool FILE` says where the fault is; for an object a line there "
                "is `type: jsonl`",
            ) from None


def _shallow(events: Iterable[tuple[str, str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """The events. Raises ValueError where they nest too deep."""
    depth = 0
    for event in events:
        depth += event[1].startswith("start_") - event[1].startswith("end_")
        if depth > DEEPEST:
            raise ValueError(f"lists and objects are more than {DEEPEST} deep")
        yield event
