"""Lines of a file of any size, and files with a text a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bertspec.catalog.files.opening import BOM
from bertspec.core.errors import BertspecError, InputError, at_place
from bertspec.runtime.predicting.row import Row, Rows, Wanted

LONGEST = 1 << 26
"""Bytes of a line that are held at once; more are seldom text."""


_RECODE = (
    "the file is UTF-16, and not UTF-8",
    "convert it, such as with `iconv -f utf-16 -t utf-8`",
)
_OTHERS = {
    b"\xff\xfe": _RECODE,
    b"\xfe\xff": _RECODE,
    b"\x1f\x8b": ("the file is packed by gzip", "unpack it, such as with `gzip -dc`"),
}
"""What a file is that begins so, and what to do; neither is UTF-8."""


@dataclass(frozen=True)
class TooLong:
    """A line of more than LONGEST bytes, which is not in memory."""

    quotes: int
    """How many `"` it has."""


def numbered(stream: IO[bytes], name: str = "") -> Iterator[tuple[int, bytes | TooLong]]:
    """Lines with their ends and their numbers, without a byte-order mark.

    Raises InputError (E302) at the first one, where bytes at its beginning say that it is no UTF-8;
    it is of the file `name`, if that is given.
    """
    number = 0
    while line := stream.readline(LONGEST):
        number += 1
        if number == 1 and (fault := _OTHERS.get(line[:2])):
            told = InputError.of("E302", *fault)
            raise at_place(f"{name}, line 1", told) if name else told
        if line.endswith(b"\n") or len(line) < LONGEST:
            yield number, line.removeprefix(BOM) if number == 1 else line
            continue
        quotes = line.count(b'"')
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST)
            quotes += line.count(b'"')
        yield number, TooLong(quotes)


def decoded(line: bytes | TooLong) -> str | BertspecError:
    """A line as text, or what is wrong: E302 where it is not UTF-8, E316 where it is too long."""
    if isinstance(line, TooLong):
        return too_long()
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        return not_utf8(str(error))


def too_long() -> BertspecError:
    return InputError.of(
        "E316", f"it has more than {LONGEST >> 20} MiB", "is the file of text, with line breaks?"
    )


def not_utf8(how: str) -> BertspecError:
    return InputError.of(
        "E302", f"not UTF-8: {how}", "convert it, such as with `iconv -f latin1 -t utf-8`"
    )


def text_rows(stream: IO[bytes], name: str, field: str) -> Iterator[Row]:
    """A text a line, as the value of the one field of a model."""
    for number, line in numbered(stream, name):
        place, text = f"{name}, line {number}", decoded(line)
        if isinstance(text, BertspecError):
            yield Row(place, fault=text)
        else:
            yield Row(place, {field: text.rstrip("\r\n")})


def read_text(path: Path, wanted: Wanted) -> Rows:
    """A .txt file. Raises InputError (E452) where more than one text of each row is wanted."""
    if len(wanted.fields) > 1 or wanted.carried:
        raise InputError.of(
            "E452",
            f"{path} has one text a line, and {len(wanted.columns)} columns are wanted",
            "name a .csv, .tsv, .jsonl or .parquet file",
        )
    (field,) = wanted.fields
    return Rows(_text_rows(path, field))


def _text_rows(path: Path, field: str) -> Iterator[Row]:
    with path.open("rb") as file:
        yield from text_rows(file, str(path), field)
