"""Comma-separated values (RFC 4180): quoted fields may hold commas, quotes and line breaks."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.file_source import Place, TextSource
from bertspec.catalog.files.cutting import Chunk, Ends
from bertspec.catalog.files.opening import BOM, decode
from bertspec.catalog.files.records import header_ends, quoted_line_ends, stray_quote
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_LONGEST_FIELD = 2**31 - 1


class Csv(TextSource):
    """CSV files with a header line. Every value is text; an empty field is ''."""

    type: Literal["csv"] = Field(description="Comma-separated values.")
    column_names: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="Names of the columns when the files have no header line."
    )

    delimiter: ClassVar[str] = ","
    quoting: ClassVar[bool] = True
    ends: ClassVar[Ends] = staticmethod(quoted_line_ends)

    def split_header(self, chunk: Chunk, name: str) -> tuple[str | None, Chunk]:
        """The header line as it is; blank lines before it are skipped."""
        if self.column_names is not None:
            return None, chunk
        data, start, line = chunk.data, 0, chunk.line
        # A return ends the header as it ends rows, though no chunk is cut there.
        for end in [*header_ends(_bytes(data), quoting=self.quoting), len(data)]:
            header = data[start:end]
            if header.strip(b"\r\n"):
                rest = Chunk(data[end:], chunk.offset + int(end), line + header.count(b"\n"))
                return decode(header, name, chunk.offset + start, line), rest
            start, line = int(end), line + header.count(b"\n")
        return "", Chunk(b"", chunk.offset + start, line)

    def parse(self, text: str, place: Place, header: str | None) -> "pa.Table":
        names = list(self.column_names or self._header(header or "", place.name))
        if repeated := sorted({c for c in names if names.count(c) > 1}):
            raise InputError.of(
                "E304", f"{place.name} has two columns `{repeated[0]}`", "rename one of them"
            )
        self._refuse_stray_quotes(text, place)
        table = self._table(text, names)
        return self._slow_table(text, names, place) if table is None else table

    def _header(self, header: str, name: str) -> Sequence[str]:
        self._refuse_stray_quotes(header, Place(name, 1, 1))
        records = self._records(header, Place(name, 1, 1))
        if not records:
            raise InputError.of("E303", f"{name} is empty", "it needs a header line and rows")
        return records[0]

    def _refuse_stray_quotes(self, text: str, place: Place) -> None:
        data = text.encode()
        if not self.quoting or (stray := stray_quote(_bytes(data), ord(self.delimiter))) is None:
            return
        before = data.count(b"\n", 0, stray)
        raise InputError.of(
            "E303",
            f"{place.at_line(before)}: a quote that neither encloses a field nor is written twice "
            "inside one",
            'put the field in quotes, close them, and write a quote inside as ""; in a file of '
            "`type: tsv` quotes are plain text",
        )

    def _table(self, text: str, names: Sequence[str]) -> "pa.Table | None":
        """What Arrow reads; None where it reads nothing or finds a fault."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        data = text.encode()
        if data.startswith(BOM):  # of the file it is left out already, and Arrow would leave it out
            data = b"\n" + data
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(data),
                arrow_csv.ReadOptions(
                    column_names=names, use_threads=False, block_size=len(data) + 1
                ),
                arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char='"' if self.quoting else False,
                    newlines_in_values=self.quoting,
                ),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=False,
                    quoted_strings_can_be_null=False,
                    check_utf8=False,  # it is
                ),
            )
        except pa.ArrowInvalid:
            return None

    def _slow_table(self, text: str, names: Sequence[str], place: Place) -> "pa.Table":
        """The same by Python's reader, which says where a fault is."""
        import pyarrow as pa

        records = self._records(text, place)
        for index, record in enumerate(records):
            if len(record) != len(names):
                raise InputError.of(
                    "E303",
                    f"{place.at_row(index)}: {len(record)} fields, and there are "
                    f"{len(names)} columns",
                    "quote a field that holds a comma or a line break"
                    if self.quoting
                    else "look for a missing or an extra tab",
                )
        values = zip(*records, strict=True) if records else [() for _ in names]
        return pa.table({c: pa.array(v, pa.string()) for c, v in zip(names, values, strict=True)})

    def _records(self, text: str, place: Place) -> list[list[str]]:
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
                f"{place.at_line(max(reader.line_num - 1, 0))}: {error}",
                'a quote inside a quoted field is written twice (""); each opened one is closed',
            ) from None


def _bytes(data: bytes) -> "np.ndarray":
    import numpy as np

    return np.frombuffer(data, np.uint8)
