"""The table of files that predictions are written to, by the ending of their names."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from bertspec.core.errors import InputError
from bertspec.runtime.predicting.values import cell, json_line, size_of, typed

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 64
"""Rows of a Parquet file that are Python objects at once; fewer where they are long."""

GROUP_ROWS, GROUP_BYTES = 1 << 16, 1 << 24
"""Rows and bytes of a Parquet file that wait in memory to be written together, about."""

_QUOTE, _TWO = '"', '""'
_SPECIAL = ('"', ",", "\r", "\n")
"""What a cell of CSV is quoted for."""


class Writer(ABC):
    """Writes rows, which all have `columns`, to a file that is open."""

    def __init__(self, file: IO[bytes], columns: "Mapping[str, pa.DataType]") -> None:
        self.file, self.columns = file, columns

    @abstractmethod
    def write(self, row: Mapping[str, Any]) -> None:
        """Write a row, or keep it to be written with others."""

    @abstractmethod
    def end(self, *, whole: bool) -> None:
        """Write what is left; of a file that is not `whole` nothing will be read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.end(whole=kind is None)


class JsonlWriter(Writer):
    """One object a line, as the row is."""

    def write(self, row: Mapping[str, Any]) -> None:
        self.file.write(json_line(row) + b"\n")

    def end(self, *, whole: bool) -> None:
        """Each line is written already."""


class CsvWriter(Writer):
    """A column for each value, and of an object one for each of its values, as `object.value`.

    Lists are JSON, and what is not there is empty. Raises InputError (E456) for two columns of one
    name.
    """

    def __init__(self, file: IO[bytes], columns: "Mapping[str, pa.DataType]") -> None:
        super().__init__(file, columns)
        self._parts = {name: _parts(kind) for name, kind in columns.items()}
        spread = ([f"{n}.{p}" for p in parts] or [n] for n, parts in self._parts.items())
        header = [cell(name) for names in spread for name in names]
        require_different(header)
        self._write(header)

    def write(self, row: Mapping[str, Any]) -> None:
        cells: list[str] = []
        for name, parts in self._parts.items():
            value = row[name]
            if parts:
                cells += [cell((value or {}).get(part)) for part in parts]
            else:
                cells.append(cell(value))
        self._write(cells)

    def _write(self, cells: Sequence[str]) -> None:
        # The csv module asks of each character whether it ends a line, which takes longer.
        self.file.write((",".join(map(_quoted, cells)) + "\n").encode())

    def end(self, *, whole: bool) -> None:
        """Each row is written already."""


class ParquetWriter(Writer):
    """A column for each value, of its type."""

    def __init__(self, file: IO[bytes], columns: "Mapping[str, pa.DataType]") -> None:
        import pyarrow as pa
        from pyarrow import parquet

        super().__init__(file, columns)
        self._schema = pa.schema(list(columns.items()))
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []
        self._size = 0
        self._tables: list[pa.Table] = []
        self._bytes = 0

    def write(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        self._size += size_of(row)
        if len(self._rows) == ROWS or self._size >= GROUP_BYTES:
            self._collect()
            if self._bytes >= GROUP_BYTES or ROWS * len(self._tables) >= GROUP_ROWS:
                self._write_group()

    def end(self, *, whole: bool) -> None:
        if whole:
            self._collect()
            self._write_group()
            self._writer.close()
            return
        with suppress(Exception):  # it may be what went wrong
            self._writer.close()

    def _collect(self) -> None:
        import pyarrow as pa

        columns = {
            name: pa.array([typed(row[name], kind) for row in self._rows], kind)
            for name, kind in self.columns.items()
        }
        self._tables.append(pa.table(columns, self._schema))
        self._bytes += self._tables[-1].nbytes
        self._rows, self._size = [], 0

    def _write_group(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.concat_tables(self._tables), GROUP_ROWS)
        self._tables, self._bytes = [], 0


WRITERS: Mapping[str, type[Writer]] = {
    ".csv": CsvWriter,
    ".jsonl": JsonlWriter,
    ".parquet": ParquetWriter,
}


def require_writer(path: Path) -> None:
    """Raise InputError (E456) for a file of another kind, and for a folder."""
    if path.suffix.lower() not in WRITERS or path.is_dir():
        kinds = ", ".join(WRITERS)
        what = "is a folder" if path.is_dir() else "cannot be written"
        raise InputError.of("E456", f"{path} {what}", f"name a file of one of: {kinds}")


def require_different(names: Sequence[str]) -> None:
    """Raise InputError (E456) for two columns of one name."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError.of(
            "E456",
            f"there would be two columns `{twice[0]}`",
            "give what is carried another name: --carry NAME=COLUMN",
        )


def _quoted(text: str) -> str:
    if any(sign in text for sign in _SPECIAL):
        return f'"{text.replace(_QUOTE, _TWO)}"'
    return text


def _parts(kind: "pa.DataType") -> list[str]:
    """Of what values an object of this type is."""
    import pyarrow as pa

    return [part.name for part in kind] if pa.types.is_struct(kind) else []
