"""Rows of tables of text: comma-separated values (RFC 4180), and tab-separated ones."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bertspec.core.errors import BertspecError, InputError, at_place
from bertspec.runtime.predicting.lines import LONGEST, TooLong, not_utf8, numbered, too_long
from bertspec.runtime.predicting.row import Row, Rows, Wanted, missing, row_of, text_types

_OPTIONS: Mapping[str, dict[str, Any]] = {
    ".csv": {"strict": True},
    ".tsv": {"delimiter": "\t", "quoting": csv.QUOTE_NONE},
}
"""Options of the csv module by the ending of the file."""

_OTHERS = {";": "`;`", "\t": "a tab", "|": "`|`", ",": "`,`"}
"""What may be between the columns of a table, and what it is called."""

_QUOTES = 'a quote inside a quoted field is written twice (""); each opened one is closed'


def read_csv(path: Path, wanted: Wanted) -> Rows:
    """A .csv or .tsv file with a header line. A record that cannot be read is a row with a fault.

    Raises InputError, as the rows are read: E302 or E452 for a header that cannot be, E304 for two
    columns of one name, E309 for a column that is not there, E316 for a header that is too long,
    for a line of which the record may go on, and for a quoted field that does not end; E452 for
    one that is open at the end of the file.
    """
    return Rows(_rows(path, wanted), text_types(wanted))


def _rows(path: Path, wanted: Wanted) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    with path.open("rb") as file:
        options = _OPTIONS[path.suffix.lower()]
        lines = _Lines(file, has_quotes="strict" in options)
        records = _records(csv.reader(lines, **options), lines, str(path))
        header = next(records, None)
        if header is None:
            return
        if isinstance(header, BertspecError):
            raise at_place(f"{path}, line {lines.number}", header)
        if (fault := _not_utf8(header)) is not None:
            raise at_place(f"{path}, line {lines.number}", fault)
        _check_header(header, wanted, str(path))
        for number, record in enumerate(records, start=1):
            if isinstance(record, BertspecError):
                yield Row(f"{path}, line {lines.number}", fault=record)
            elif len(record) != len(header):
                yield Row(f"{path}, row {number}", fault=_uneven(record, header))
            elif (fault := _not_utf8(record)) is not None:
                texts = zip(header, record, strict=True)
                values = {column: text for column, text in texts if not _not_utf8([text])}
                yield row_of(f"{path}, line {lines.number}", values, wanted, fault)
            else:
                values = dict(zip(header, record, strict=True))
                yield row_of(f"{path}, row {number}", values, wanted)


class _Lines(Iterator[str]):
    """Lines of text, in which a byte that is not UTF-8 is half a surrogate pair.

    Raises InputError (E316) in place of one that is too long, and goes on behind it. So does the
    csv module, which forgets what it had of the record.
    """

    def __init__(self, file: IO[bytes], *, has_quotes: bool) -> None:
        self.number = 0
        """Of the last line, from 1."""
        self.opened = 0
        """Number of the line that opens the quoted field which goes on behind the last line."""
        self.is_open = False
        """Whether a quote was opened and not closed in a line that is too long."""
        self._has_quotes = has_quotes
        self._is_inside = False
        self._first = 1
        self._lines = _pieces(file)

    def begin(self) -> None:
        """The next line is the first of a record; any other one begins inside a quoted field."""
        self._is_inside = False
        self._first = self.number + 1

    @property
    def of_record(self) -> str:
        """The lines of this record so far, if they are several, for a message."""
        return f"lines {self._first} to {self.number}: " if self.number > self._first else ""

    def __next__(self) -> str:
        self.number += 1
        line = next(self._lines)
        if isinstance(line, TooLong):
            self.is_open = self._has_quotes and (self._is_inside + line.quotes) % 2 > 0
            raise too_long()
        if not self._is_inside or '"' in line.replace('""', ""):
            self.opened = self.number
        self._is_inside = True
        return line


def _pieces(file: IO[bytes]) -> Iterator[str | TooLong]:
    for _, line in numbered(file):
        if isinstance(line, TooLong):
            yield line
        else:  # it may hold carriage returns, which end lines of a table, too
            yield from io.StringIO(line.decode("utf-8", "surrogateescape"), newline="")


def _records(
    reader: Iterator[list[str]], lines: _Lines, name: str
) -> Iterator[list[str] | BertspecError]:
    """All records but blank lines; in place of what is none, what is wrong. The reader goes on.

    Raises InputError where it would go on inside a quoted field, and make up records there (E316),
    and for a quote that is open at the end (E452).
    """
    while True:
        lines.begin()
        try:
            record = next(reader)
        except StopIteration:
            return
        except BertspecError as error:
            if lines.is_open:
                raise at_place(f"{name}, line {lines.number}", error) from None
            yield error
            continue
        except csv.Error as error:
            place = f"{name}, line {lines.opened}"
            if "field limit" in str(error):  # no line is so long
                raise _endless(place) from None
            if "unexpected end" in str(error):  # of the file: all rows from there on are in a field
                raise InputError.of(
                    "E452", f"{place}: a quote that is never closed", _QUOTES
                ) from None
            yield InputError.of("E452", f"{lines.of_record}{error}", _QUOTES)
            continue
        if record:
            yield record


def _endless(place: str) -> BertspecError:
    return InputError.of(
        "E316",
        f"{place}: a field in quotes that begins here has more than {LONGEST >> 20} MiB",
        "look for a quote that is never closed there",
    )


def _not_utf8(texts: Sequence[str]) -> BertspecError | None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        byte = ord(error.object[error.start]) - 0xDC00
        return not_utf8(f"byte {byte:#04x}")
    return None


def _check_header(header: Sequence[str], wanted: Wanted, name: str) -> None:
    if (fault := missing(wanted.columns, header)) is not None:
        others = [shown for sign, shown in _OTHERS.items() if sign in header[0]]
        if len(header) == 1 and others:
            advice = f"the delimiter looks like {others[0]}: .csv has commas, and .tsv has tabs"
            fault = InputError.of("E309", fault.diagnostics[0].message, advice)
        raise at_place(name, fault)
    if repeated := [column for column in wanted.columns if header.count(column) > 1]:
        raise InputError.of("E304", f"{name} has two columns `{repeated[0]}`", "rename one of them")


def _uneven(record: Sequence[str], header: Sequence[str]) -> BertspecError:
    return InputError.of(
        "E452",
        f"{len(record)} fields, and there are {len(header)} columns",
        "quote a field of CSV that holds a comma or a line break; TSV has a tab between fields and "
        "nowhere else",
    )
