"""The `map` of a column: what each of its values becomes, and what is told of one it lacks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean, sentences
from bertspec.pipeline.params.columns import Column
from bertspec.runtime.raw_shard import SHOWN, Shard, blank, shown

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def map_values(
    shard: Shard, values: "pa.Array", parents: "np.ndarray", options: Column, field: str
) -> "pa.Array":
    """Each value as `map` has it; `parents` says which row it is of. A blank one stays empty."""
    import pyarrow as pa
    from pyarrow import compute as pc

    mapping = options.map or {}
    place = pc.index_in(values, value_set=pa.array(list(mapping), pa.string()))
    result = pa.array(list(mapping.values()), pa.string()).take(place)
    unlisted = pc.and_(pc.is_null(place), pc.invert(blank(values)))
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
                sentences(
                    did_you_mean(value, mapping),
                    "add it to the map, or say with `other` what becomes of all that are not "
                    "listed",
                ),
            )
        )
    if len(by_value) > SHOWN:
        rest = f"{len(by_value) - SHOWN} more values are not listed in `{field}.map`"
        found.append(Diagnostic("E320", rest, "is it the right column?"))
    return found
