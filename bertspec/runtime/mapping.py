"""Columns get their meaning: rows of a source as the fields of `data.columns`, shard by shard.

What becomes of a row depends on that row alone, so that shards can be mapped one by one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.numbers import read_numbers
from bertspec.catalog.source import TAKEN
from bertspec.core.errors import at_field
from bertspec.pipeline.params.columns import (
    TARGETS,
    AnyColumn,
    Column,
    Columns,
    source_column,
)
from bertspec.pipeline.params.where import Where
from bertspec.runtime.answers import read_answers
from bertspec.runtime.lists import listed, map_items
from bertspec.runtime.raw_shard import Place, Shard, blank, refuse_missing
from bertspec.runtime.shards import ROW
from bertspec.runtime.span_lists import read_spans
from bertspec.runtime.value_map import map_values

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


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
    E319 for no answers, E320 for a value that `map` lacks, E321 for no number, E322 for no list,
    E342 for no spans.
    """
    import pyarrow as pa

    shard = Shard.whole(table, known, place)
    shard = shard.taken(_selected(shard, where))
    mapped = {}
    for name, column in columns.mapped().items():
        with at_field("columns", name):
            mapped[name] = _field(shard, name, column)
    return pa.table(mapped | {ROW: pa.array(shard.rows, pa.int32())})


def key_column(shard: Shard, column: str, field: str) -> "pa.Array":
    """A column as text that no row may lack, such as the group. Raises as `map_columns` does."""
    values = shard.text(column, field)
    refuse_missing(shard, column, blank(values))
    return values


def _selected(shard: Shard, where: Sequence[Where]) -> "np.ndarray":
    import numpy as np
    from pyarrow import compute as pc

    taken = np.ones(len(shard.rows), bool)
    if TAKEN in shard.table.column_names:
        taken &= shard.table[TAKEN].to_numpy()
    for index, condition in enumerate(where):
        with at_field("where", index, "column"):
            text = shard.text(condition.column, f"data.where.{index}.column")
        met = holds(condition, pc.fill_null(text, ""))
        taken &= met.to_numpy(zero_copy_only=False)
    return shard.rows[taken]


def holds(condition: Where, text: "pa.Array") -> "pa.Array":
    """Whether each text, none of them null, meets the condition."""
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
    return pc.equal(blank(text), pa.scalar(bool(condition.is_empty)))


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
        values = listed(shard, options, source, field)
        if name in TARGETS:
            refuse_missing(shard, source, pc.is_null(values))
        return map_items(shard, values, options, field)
    if name == "answers" and options.map is None:
        return read_answers(shard, source, field)
    if name == "spans" and options.map is None:
        return read_spans(shard, source, field)
    text = pc.fill_null(shard.text(source, field), "")
    if options.map is not None:
        import numpy as np

        text = map_values(shard, text, np.arange(len(text)), options, field)
    if name in TARGETS:
        refuse_missing(shard, source, blank(text))
    return text


def _number(shard: Shard, name: str, column: str, field: str) -> "pa.Array":
    """A column as 64-bit floats; a missing one is null."""
    import pyarrow as pa
    from pyarrow import compute as pc

    raw = shard.raw(column, field)
    if pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type):
        missing, numbers, text = pc.is_null(raw), raw.cast(pa.float64(), safe=False), raw
    else:
        text = pc.utf8_trim_whitespace(shard.cast(raw, column))
        missing = blank(text)
        numbers = read_numbers(text)
    finite = pc.fill_null(pc.is_finite(numbers), fill_value=False)
    wrong = pc.and_(pc.invert(finite), pc.invert(missing))
    shard.refuse(
        "E321", wrong, f"column `{column}` is no number", "write digits, such as 4 or 0.25", text
    )
    if name in TARGETS:
        refuse_missing(shard, column, missing)
    return numbers
