"""Columns get their meaning: rows of a source as the fields of `data.columns`, shard by shard.

What becomes of a row depends on that row alone, so that shards can be mapped one by one.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertspec.catalog.source import TAKEN
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.pipeline.params.columns import (
    TARGETS,
    AnyColumn,
    Column,
    Columns,
    source_column,
)
from bertspec.pipeline.params.where import Where

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN = 10
"""Rows, or values, that an error names before it only counts."""

LONGEST = 60
"""Characters of a value that an error shows."""

ROW = "row"
"""Column of the mapped table: the row's index in the shard, before any selection."""

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"

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
            raise InputError.of(
                "E309",
                f"{self._first()}there is no column `{column}`, which `{field}` names",
                f"{did_you_mean(column, self.known)} (columns: {', '.join(self.known)})",
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
            is_list = _is_list(values.type)
            raise InputError.of(
                "E314",
                f"{self._first()}column `{column}` holds {values.type}, which is not text",
                "read it with `list: true`"
                if is_list
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


def shown(value: Any) -> str:
    """A value for a message, in one line."""
    text = " ".join(str(value).split())
    return f"`{text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'}`"


def as_array(values: "pa.Array | pa.ChunkedArray") -> "pa.Array":
    """The values in one piece."""
    import pyarrow as pa

    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def map_columns(
    table: "pa.Table",
    columns: Columns,
    where: Sequence[Where],
    known: Sequence[str],
    place: Place,
) -> "pa.Table":
    """The rows that `where` takes, with the fields of `columns`, and ROW (int32).

    Fields are text, lists of text, or 64-bit floats, as `kind_of` says. A missing text is empty,
    and a missing list has no items; a missing target (TARGETS) is an error, and so is an empty
    one, but a list without items is not. Raises InputError naming place and value: E309 for a
    column that is not in `known`, E310 for a missing target, E314 for a column of another type,
    E320 for a value that `map` lacks, E321 for no number, E322 for no list.
    """
    import pyarrow as pa

    shard = Shard.whole(table, known, place)
    shard = shard.taken(_selected(shard, where))
    mapped = {name: _field(shard, name, column) for name, column in columns.mapped().items()}
    return pa.table(mapped | {ROW: pa.array(shard.rows, pa.int32())})


def key_column(shard: Shard, column: str, field: str) -> "pa.Array":
    """A column as text that no row may lack, such as the group. Raises as `map_columns` does."""
    values = shard.text(column, field)
    _refuse_missing(shard, column, _blank(values))
    return values


def _selected(shard: Shard, where: Sequence[Where]) -> "np.ndarray":
    import numpy as np
    from pyarrow import compute as pc

    taken = np.ones(len(shard.rows), bool)
    if TAKEN in shard.table.column_names:
        taken &= shard.table[TAKEN].to_numpy()
    for index, condition in enumerate(where):
        text = shard.text(condition.column, f"data.where.{index}.column")
        holds = _holds(condition, pc.fill_null(text, ""))
        taken &= holds.to_numpy(zero_copy_only=False)
    return shard.rows[taken]


def _holds(condition: Where, text: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    from pyarrow import compute as pc

    if condition.equals is not None:
        return pc.equal(text, condition.equals)
    if condition.not_equals is not None:
        return pc.not_equal(text, condition.not_equals)
    if (among := getattr(condition, "in")) is not None:
        return pc.is_in(text, value_set=pa.array(among, pa.string()))
    if condition.not_in is not None:
        return pc.invert(pc.is_in(text, value_set=pa.array(condition.not_in, pa.string())))
    if condition.matches is not None:
        return pc.match_substring_regex(text, condition.matches)
    return pc.equal(_blank(text), pa.scalar(bool(condition.is_empty)))


def _field(shard: Shard, name: str, column: AnyColumn) -> "pa.Array":
    """One field of the mapped table."""
    import pyarrow as pa
    from pyarrow import compute as pc

    source, field = source_column(column), f"data.columns.{name}"
    if source is None:  # one value for all rows
        assert isinstance(column, Column)  # noqa: S101 - for mypy: a text is a source's column
        return pa.repeat(pa.scalar(column.value, pa.string()), len(shard.rows))
    options = column if isinstance(column, Column) else Column(column=source)
    if options.number:
        return _number(shard, name, source, field)
    if options.list or options.separator is not None:
        values = _listed(shard, options, source, field)
        if name in TARGETS:
            _refuse_missing(shard, source, pc.is_null(values))
        return _map_items(shard, values, options, field)
    if name == "answers" and pa.types.is_struct((found := shard.raw(source, field)).type):
        return found  # as SQuAD has them
    text = pc.fill_null(shard.text(source, field), "")
    if options.map is not None:
        import numpy as np

        text = _mapped(shard, text, np.arange(len(text)), options, field)
    if name in TARGETS:
        _refuse_missing(shard, source, _blank(text))
    return text


def _blank(values: "pa.Array") -> "pa.Array":
    """True where a text is missing, empty or white space."""
    from pyarrow import compute as pc

    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), fill_value=True)


def _refuse_missing(shard: Shard, column: str, missing: "pa.Array") -> None:
    shard.refuse("E310", missing, f"column `{column}` is empty", "fill them in or remove the rows")


def _mapped(
    shard: Shard, values: "pa.Array", parents: "np.ndarray", options: Column, field: str
) -> "pa.Array":
    """Each value as `map` has it; `parents` says which row it is of. A blank one stays empty."""
    import pyarrow as pa
    from pyarrow import compute as pc

    mapping = options.map or {}
    place = pc.index_in(values, value_set=pa.array(list(mapping), pa.string()))
    result = pa.array(list(mapping.values()), pa.string()).take(place)
    unlisted = pc.and_(pc.is_null(place), pc.invert(_blank(values)))
    if options.other is not None:
        result = pc.if_else(unlisted, options.other, result)
    elif pc.any(unlisted, min_count=0).as_py():
        raise InputError(_not_listed(shard, values, parents, unlisted, mapping, field))
    return pc.fill_null(result, "")


def _not_listed(
    shard: Shard,
    values: "pa.Array",
    parents: "np.ndarray",
    unlisted: "pa.Array",
    mapping: Mapping[str, str],
    field: str,
) -> list[Diagnostic]:
    """One finding for each value that `map` lacks, at the first row that has it."""
    wrong = values.filter(unlisted).to_pylist()
    rows = parents[unlisted.to_numpy(zero_copy_only=False)].tolist()
    by_value: dict[str, list[int]] = {}
    for value, row in zip(wrong, rows, strict=True):
        by_value.setdefault(value, []).append(row)
    found = []
    for value, where in list(by_value.items())[:SHOWN]:
        also = f" (and {len(where) - 1} more of this value)" if len(where) > 1 else ""
        found.append(
            Diagnostic(
                "E320",
                f"{shard.place(int(shard.rows[where[0]]))}: `{field}.map` does not list "
                f"{shown(value)}{also}",
                f"{did_you_mean(value, mapping)} Add it to the map, or say with `other` what "
                "becomes of all that are not listed",
            )
        )
    if len(by_value) > SHOWN:
        rest = f"{len(by_value) - SHOWN} more values are not listed in `{field}.map`"
        found.append(Diagnostic("E320", rest, "is it the right column?"))
    return found


def _number(shard: Shard, name: str, column: str, field: str) -> "pa.Array":
    """A column as 64-bit floats; a missing one is null."""
    import pyarrow as pa
    from pyarrow import compute as pc

    raw = shard.raw(column, field)
    if pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type):
        missing, numbers, text = pc.is_null(raw), raw.cast(pa.float64(), safe=False), raw
    else:
        text = pc.utf8_trim_whitespace(shard.cast(raw, column))
        missing = _blank(text)
        is_number = pc.match_substring_regex(text, _NUMBER)
        # Arrow reads no `+`, and nothing that does not look like a number gets this far.
        digits = pc.replace_substring_regex(text, pattern=r"^\+", replacement="")
        numbers = pc.if_else(is_number, digits, pa.scalar(None, pa.string())).cast(pa.float64())
    finite = pc.fill_null(pc.is_finite(numbers), fill_value=False)
    wrong = pc.and_(pc.invert(finite), pc.invert(missing))
    shard.refuse(
        "E321", wrong, f"column `{column}` is no number", "write digits, such as 4 or 0.25", text
    )
    if name in TARGETS:
        _refuse_missing(shard, column, missing)
    return numbers


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _listed(shard: Shard, options: Column, column: str, field: str) -> "pa.Array":
    """A column as lists of text; null where it is missing."""
    from pyarrow import compute as pc

    if options.separator is not None:
        return _separated(shard.text(column, field), options.separator)
    raw = shard.raw(column, field)
    if not _is_list(raw.type):
        return _lists_of_json(shard, shard.cast(raw, column), column)
    items = shard.cast(raw.flatten(), column)
    if items.null_count:
        parents = pc.list_parent_indices(raw).to_numpy()
        empty = pc.is_null(items).to_numpy(zero_copy_only=False)
        shard.refuse(
            "E322",
            _at(parents[empty], len(raw)),
            f"column `{column}` has an item that is null",
            _ITEMS,
        )
    counts = pc.fill_null(pc.list_value_length(raw), 0).to_numpy()
    return _lists(items, counts, pc.is_null(raw))


_ITEMS = 'write a list of texts, such as ["a", "b"]; one without items is []'


def _at(indices: "np.ndarray", count: int) -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    mask = np.zeros(count, bool)
    mask[indices] = True
    return pa.array(mask)


def _separated(text: "pa.Array", separator: str) -> "pa.Array":
    """Trimmed items of each text, without empty ones."""
    import numpy as np
    from pyarrow import compute as pc

    split = pc.split_pattern(text, separator)
    items = pc.utf8_trim_whitespace(split.flatten())
    filled = pc.not_equal(items, "")
    parents = pc.list_parent_indices(split).to_numpy()[filled.to_numpy(zero_copy_only=False)]
    counts = np.bincount(parents, minlength=len(text))
    return _lists(items.filter(filled), counts, pc.is_null(text))


def _lists(items: "pa.Array", counts: "np.ndarray", missing: "pa.Array") -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items, mask=missing)


def _lists_of_json(shard: Shard, text: "pa.Array", column: str) -> "pa.Array":
    """Each text read as a JSON list of texts, numbers and booleans, which become texts."""
    import pyarrow as pa
    from pyarrow import compute as pc

    encoded = text.dictionary_encode()
    read = [_list_of_json(value) for value in encoded.dictionary.to_pylist()]
    bad = pa.array([value is None for value in read], pa.bool_()).take(encoded.indices)
    wrong = pc.and_(pc.fill_null(bad, fill_value=False), pc.invert(_blank(text)))
    shard.refuse("E322", wrong, f"column `{column}` is no list of texts", _ITEMS, text)
    return pa.array(read, pa.list_(pa.string())).take(encoded.indices)


def _list_of_json(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    items = [_item(value) for value in found]
    return None if None in items else [item for item in items if item is not None]


def _item(value: object) -> str | None:
    if isinstance(value, str):
        # Half of a surrogate pair can be written in JSON, and is no text.
        return None if any("\ud800" <= c <= "\udfff" for c in value) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _map_items(shard: Shard, values: "pa.Array", options: Column, field: str) -> "pa.Array":
    """Lists with their items mapped, and none in place of null."""
    import pyarrow as pa
    from pyarrow import compute as pc

    items = values.flatten()
    counts = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
    if options.map is not None:
        parents = pc.list_parent_indices(values).to_numpy()
        items = _mapped(shard, items, parents, options, field)
    return _lists(items, counts, pa.array([False] * len(values), pa.bool_()))
