"""The rows of a query to a SQLite database.

DuckDB is left out: the files that it reads (CSV, JSON, Parquet) have sources of their own here, few
data sets are kept in its own format, and it would be one more compiled package to lock.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.source import SPLITS, FilePath, Piece, Source, SplitName
from bertspec.catalog.tables import pieces_of
from bertspec.core.errors import InputError, at_field, reason
from bertspec.core.names import nearest_file

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 10_000
"""Rows that are fetched at once."""

_HEAD = b"SQLite format 3\0"
_RANDOM = ("random", "randomblob")

_QUOTED = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|$)"  # comments
    r"|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]",  # texts and names
    re.DOTALL,
)
_INSIDE = re.compile(r"\([^()]*\)")
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)

Query = Annotated[str, StringConstraints(min_length=1)]


class Sql(Source):
    """A query of a SQLite database, which is opened for reading only. Every value is text.

    NULL stays null, and a blob is refused. A query says the order of its rows, so that it gives
    the same ones each time; rows that are equal in all it orders by may still change places. The
    engine is Python's own: its version belongs to Python's.
    """

    type: Literal["sql"] = Field(description="A query of a SQLite database.")
    database: FilePath = Field(description="The database file, relative to the project.")
    query: dict[SplitName, Query] = Field(
        min_length=1,
        description="The query of each split, such as `{train: select text, label from reviews "
        "order by id}`. It ends with `order by`.",
    )

    def dependencies(self) -> tuple[str, ...]:
        # Not `-wal`, which comes and goes; `read` refuses a database that has rows in it.
        return (self.database,)

    def given_splits(self) -> tuple[SplitName, ...]:
        return tuple(s for s in SPLITS if s in self.query)

    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        path = root / self.database
        with at_field("database"):
            _check_file(path, self.database)
        for split in self.given_splits():
            with at_field("query", split):
                for piece in pieces_of(self._tables(path, split), self.database):
                    yield split, piece

    def _tables(self, path: Path, split: SplitName) -> Iterator["pa.Table"]:
        import pyarrow as pa

        with self._faults(split), closing(_connect(path)) as connection:
            cursor = connection.execute(self.query[split])
            names = self._names(cursor, split)
            row = 1
            while True:
                values = cursor.fetchmany(BATCH)
                columns = zip(*values, strict=True) if values else [() for _ in names]
                yield pa.table(
                    {
                        name: pa.array(
                            [self._text(v, name, split, row + n) for n, v in enumerate(column)],
                            pa.string(),
                        )
                        for name, column in zip(names, columns, strict=True)
                    }
                )
                if not values:
                    return
                row += len(values)

    def _names(self, cursor: sqlite3.Cursor, split: SplitName) -> list[str]:
        names = [column[0] for column in cursor.description or ()]
        if not names:
            raise InputError.of(
                "E354", f"{self._place(split)} gives no rows: it is no query", "write a `select`"
            )
        if repeated := sorted({c for c in names if names.count(c) > 1}):
            raise InputError.of(
                "E304",
                f"{self._place(split)} has two columns `{repeated[0]}`",
                "rename one of them, such as with `a.text as first`",
            )
        return names

    def _text(self, value: Any, column: str, split: SplitName, row: int) -> str | None:
        if isinstance(value, bytes):
            raise InputError.of(
                "E355",
                f"{self._place(split)}, row {row}: column `{column}` has a blob",
                f"leave the column out, or convert it, such as with `cast({column} as text)` "
                "where it holds UTF-8",
            )
        return None if value is None else str(value)

    def _place(self, split: SplitName) -> str:
        return f"{self.database}, the query of `{split}`"

    @contextmanager
    def _faults(self, split: SplitName) -> Iterator[None]:
        """Raise InputError for what the engine refuses, with its own words."""
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise InputError.of(
                "E354",
                f"{self._place(split)}: {reason(error)}",
                "try it with `sqlite3 -readonly`; `pragma integrity_check` says whether the "
                "database is damaged",
            ) from None


def is_ordered(query: str) -> bool:
    """Whether a query has an `order by` of its own, and not only in a subquery or a window."""
    query = _QUOTED.sub(" ", query)
    while (outside := _INSIDE.sub(" ", query)) != query:
        query = outside
    return _ORDER.search(query) is not None


def _check_file(path: Path, name: str) -> None:
    """Raise InputError: E301 for no file, E353 for one that cannot be read as a database."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError.of("E301", f"{name} {what}", nearest_file(path))
    with path.open("rb") as file:
        if file.read(len(_HEAD)) != _HEAD:
            raise InputError.of("E353", f"{name} is not a SQLite database", "check the path")
    wal = path.with_name(path.name + "-wal")
    if wal.is_file() and wal.stat().st_size:
        raise InputError.of(
            "E353",
            f"{name} is not complete: {wal.name} beside it has changes that are not in it yet",
            "close the programs that write it, or run "
            f'`sqlite3 {name} "pragma wal_checkpoint(truncate)"`',
        )


def _connect(path: Path) -> sqlite3.Connection:
    # Else SQLite leaves files of its own beside a database with a write-ahead log. What writes to
    # such a one writes to the log, and not to what is read here.
    immutable = "&immutable=1" if _has_log(path) else ""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{immutable}", uri=True)
    connection.set_authorizer(_authorize)
    return connection


def _has_log(path: Path) -> bool:
    """Whether changes go to a write-ahead log first: https://sqlite.org/fileformat2.html, 1.3.3."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"


def _authorize(
    action: int, _first: str | None, second: str | None, _database: str | None, _view: str | None
) -> int:
    """Other files are not opened (`attach` makes one), and nothing is random."""
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _RANDOM:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
