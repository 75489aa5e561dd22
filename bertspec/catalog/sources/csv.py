"""Comma-separated values (RFC 4180): quoted fields may hold commas, quotes and line breaks."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.source import FileSource
from bertspec.catalog.text_file import read_utf8
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_FIELD = 2**31 - 1


class Csv(FileSource):
    """CSV files with a header line, in UTF-8. Every value is text; an empty field is ''."""

    type: Literal["csv"] = Field(description="Comma-separated values.")
    column_names: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="Names of the columns when the files have no header line."
    )

    delimiter: ClassVar[str] = ","
    quoting: ClassVar[bool] = True

    def read_file(self, path: Path, name: str) -> "pa.Table":
        import pyarrow as pa

        records = self._records(read_utf8(path, name), name)
        header = list(self.column_names or (records.pop(0) if records else ()))
        if not header:
            raise InputError.of("E303", f"{name} is empty", "it needs a header line and rows")
        if repeated := sorted({c for c in header if header.count(c) > 1}):
            raise InputError.of(
                "E304", f"{name} has two columns `{repeated[0]}`", "rename one of them"
            )
        for number, record in enumerate(records, start=1):
            if len(record) != len(header):
                raise InputError.of(
                    "E303",
                    f"{name}, row {number}: {len(record)} fields, and there are "
                    f"{len(header)} columns",
                    "quote a field that holds a comma or a line break"
                    if self.quoting
                    else "look for a missing or an extra tab",
                )
        values = zip(*records, strict=True) if records else [() for _ in header]
        return pa.table({c: pa.array(v, pa.string()) for c, v in zip(header, values, strict=True)})

    def _records(self, text: str, name: str) -> list[list[str]]:
        """All records but blank lines."""
        csv.field_size_limit(_LONGEST_FIELD)
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE,
            strict=True,
        )
        try:
            return [record for record in reader if record]
        except csv.Error as error:
            raise InputError.of(
                "E303",
                f"{name}, line {reader.line_num}: {error}",
                'a quote inside a quoted field is written twice (""); each opened one is closed',
            ) from None
