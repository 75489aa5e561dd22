"""Columns of spans: lists of where an entity starts and ends in its text, and its label."""

from typing import TYPE_CHECKING, Any

from bertspec.runtime.json_cells import is_text, value_of
from bertspec.runtime.raw_shard import Shard, blank, is_list, refuse_missing

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = 2**31 - 1

_HELP = 'write [{"start": 0, "end": 5, "label": "LOC"}], and [] where there is no entity'


def read_spans(shard: Shard, column: str, field: str) -> "pa.ListArray":
    """A column as lists of structs of `start` and `end` (int32) and `label` (text).

    It holds such lists, or JSON of the same shape. Raises InputError (E342) for other values, and
    (E310) for a missing one: a text without entities has an empty list.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    raw = shard.raw(column, field)
    if is_list(raw.type):
        refuse_missing(shard, column, pc.is_null(raw))
        values = text = raw.to_pylist()
    else:
        text = shard.cast(raw, column)
        refuse_missing(shard, column, blank(text))
        values = [value_of(value) for value in text.to_pylist()]
    read = [_spans(value) for value in values]
    wrong = pa.array([value is None for value in read], pa.bool_())
    shard.refuse("E342", wrong, f"column `{column}` is no list of spans", _HELP, text)
    parts = [("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())]
    return pa.array(read, pa.list_(pa.struct(parts)))


def _spans(found: Any) -> list[dict[str, Any]] | None:
    if not isinstance(found, list):
        return None
    for span in found:
        if not isinstance(span, dict) or not is_text(span.get("label")):
            return None
        if not all(
            type(span.get(side)) is int and abs(span[side]) <= _LARGEST for side in ("start", "end")
        ):
            return None
    return found
