"""Columns of lists: read from lists, from JSON or from text between separators, and mapped."""

import json
import math
from typing import TYPE_CHECKING

from bertspec.pipeline.params.columns import Column
from bertspec.runtime.json_cells import is_text, value_of
from bertspec.runtime.raw_shard import Shard, blank, is_list
from bertspec.runtime.value_map import map_values

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_ITEMS = 'write a list of texts, such as ["a", "b"]; one without items is []'


def listed(shard: Shard, options: Column, column: str, field: str) -> "pa.Array":
    """A column as lists of text; null where it is missing."""
    from pyarrow import compute as pc

    if options.separator is not None:
        return _separated(shard.text(column, field), options.separator)
    raw = shard.raw(column, field)
    if not is_list(raw.type):
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
    wrong = pc.and_(pc.fill_null(bad, fill_value=False), pc.invert(blank(text)))
    shard.refuse("E322", wrong, f"column `{column}` is no list of texts", _ITEMS, text)
    return pa.array(read, pa.list_(pa.string())).take(encoded.indices)


def _list_of_json(text: str) -> list[str] | None:
    found = value_of(text)
    if not isinstance(found, list):
        return None
    items = [_item(value) for value in found]
    return None if None in items else [item for item in items if item is not None]


def _item(value: object) -> str | None:
    if isinstance(value, str):
        return value if is_text(value) else None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def map_items(shard: Shard, values: "pa.Array", options: Column, field: str) -> "pa.Array":
    """Lists with their items mapped, and none in place of null."""
    import pyarrow as pa
    from pyarrow import compute as pc

    items = values.flatten()
    counts = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
    if options.map is not None:
        parents = pc.list_parent_indices(values).to_numpy()
        items = map_values(shard, items, parents, options, field)
    return _lists(items, counts, pa.array([False] * len(values), pa.bool_()))
