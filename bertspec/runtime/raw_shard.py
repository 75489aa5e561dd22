"""A shard of a source's rows: its columns as they are or as text, and what refuses their values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean, sentences
from bertspec.core.terminal import shortened

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN = 10
"""Rows, or values, that an error names before it only counts."""

Place = Callable[[int], str]
"""Where row `i` of the shard is from, such as `data/x.csv row 517`."""


@dataclass(frozen=True)
class Shard:
    """Consecutive rows of a source, those of them that are taken, and where they are from."""

    table: "pa.Table"
    known: Sequence[str]
    """The columns of the whole source; one that this shard lacks is null in all of its rows."""
    rows: "np.ndarray"
    """Index in the shard of each row that is taken, ascending."""
    place: Place

    @classmethod
    def whole(cls, table: "pa.Table", known: Sequence[str], place: Place) -> "Shard":
        import numpy as np

        return cls(table, known, np.arange(len(table), dtype=np.int32), place)

    def taken(self, rows: "np.ndarray") -> "Shard":
        """The same shard with these of its rows taken."""
        return Shard(self.table, self.known, rows, self.place)

    def raw(self, column: str, field: str) -> "pa.Array":
        """A column as the source has it. Raises InputError (E309) when no shard has it."""
        import pyarrow as pa

        if column not in self.known:
            near = did_you_mean(column, self.known)
            # Without a near one, all are listed there.
            columns = f"The columns are {', '.join(self.known)}" if near.endswith("?") else ""
            raise InputError.of(
                "E309",
                f"{self._first()}there is no column `{column}`, which `{field}` names",
                sentences(near, columns),
            )
        if column not in self.table.column_names:
            return pa.nulls(len(self.rows), pa.string())
        found = as_array(self.table[column])
        return found if len(self.rows) == len(found) else found.take(pa.array(self.rows))

    def text(self, column: str, field: str) -> "pa.Array":
        """A column as text, with nulls. Raises InputError: E309, or E314 for what is no text."""
        return self.cast(self.raw(column, field), column)

    def cast(self, values: "pa.Array", column: str) -> "pa.Array":
        """Values as text. Raises InputError (E314) for structs, lists, bytes that are not UTF-8."""
        import pyarrow as pa

        try:
            return values.cast(pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            raise InputError.of(
                "E314",
                f"{self._first()}column `{column}` holds {values.type}, which is not text",
                "read it with `list: true`"
                if is_list(values.type)
                else "name a column of text, numbers or booleans",
            ) from None

    def refuse(
        self, code: str, wrong: "pa.Array", message: str, help: str, values: "pa.Array" = None
    ) -> None:
        """Raise InputError naming the rows for which `wrong` holds, and their `values`."""
        import numpy as np

        found = np.flatnonzero(wrong.to_numpy(zero_copy_only=False))
        if not len(found):
            return
        places = ", ".join(
            self.place(int(self.rows[i])) + (f" ({shown(values[i])})" if values is not None else "")
            for i in found[:SHOWN].tolist()
        )
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        count = f"{len(found)} rows" if len(found) > 1 else "1 row"
        raise InputError.of(code, f"{message} in {count}: {places}{more}", help)

    def _first(self) -> str:
        return f"{self.place(0)}: " if len(self.table) else ""


def is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def shown(value: Any) -> str:
    """A value for a message, in one line."""
    text = " ".join(str(value).split())
    return f"`{shortened(text)}`"


def as_array(values: "pa.Array | pa.ChunkedArray") -> "pa.Array":
    """The values in one piece."""
    import pyarrow as pa

    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def blank(values: "pa.Array") -> "pa.Array":
    """True where a text is missing, empty or white space."""
    from pyarrow import compute as pc

    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), fill_value=True)


def refuse_missing(shard: Shard, column: str, missing: "pa.Array") -> None:
    shard.refuse("E310", missing, f"column `{column}` is empty", "fill them in or remove the rows")
