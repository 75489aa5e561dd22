"""Salts of a split by content: the first one with which every split gets the rows that it needs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from bertspec.catalog.source import SPLITS
from bertspec.core.digest import canonical_json
from bertspec.pipeline.params.split import HashSplit, KFoldSplit, Split
from bertspec.runtime.raw_shard import as_array
from bertspec.runtime.row_keys import digest_points, utf8
from bertspec.runtime.splitting import by_points

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SALTS = tuple(str(number) for number in range(1, 201))
"""Salts that are tried, in this order."""

TRIED = f"none of the salts {SALTS[0]} to {SALTS[-1]}"


def first_salt(
    split: HashSplit | KFoldSplit, keys: "pa.Table", keeps: "Callable[[np.ndarray], bool]"
) -> str | None:
    """The first of SALTS with which `keeps` holds in every stratum; None when there is none.

    `keys` has `key` (as `key_json`) and `stratum` of every row; `keeps` is given the rows of a
    stratum in each of SPLITS.
    """
    import numpy as np

    rows = keys.select(["stratum", "key"]).group_by(["stratum", "key"])
    table = rows.aggregate([([], "count_all")])
    encoded = as_array(table["key"]).dictionary_encode()
    names = list(utf8(encoded.dictionary))
    place = encoded.indices.to_numpy()
    weight = table["count_all"].to_numpy()
    strata = as_array(table["stratum"]).dictionary_encode().indices.to_numpy()
    # The small ones are the first to be off; most salts are given up after a few digests.
    sizes = np.bincount(strata)
    members = np.split(np.argsort(strata, kind="stable"), np.cumsum(sizes)[:-1])
    order = np.argsort(sizes, kind="stable")
    groups = [([names[i] for i in place[members[s]]], weight[members[s]]) for s in order]

    def rows_of(salt: str, group: "tuple[list[bytes], np.ndarray]") -> "np.ndarray":
        codes = by_points(split, digest_points(group[0], salt))
        return np.bincount(codes, weights=group[1], minlength=len(SPLITS))

    return next((s for s in SALTS if all(keeps(rows_of(s, group)) for group in groups)), None)


def filling_salt(split: Split, keys: "pa.Table", minimum: int = 1) -> str | None:
    """The first of SALTS that gives every stratum `minimum` rows in every split with a share."""
    import numpy as np
    from pyarrow import compute as pc

    if not isinstance(split, HashSplit | KFoldSplit) or not len(keys):
        return None
    shared = np.array([name != "validation" or split.has_validation() for name in SPLITS])
    distinct = keys.group_by("stratum").aggregate([("key", "count_distinct")])
    if pc.min(distinct["key_count_distinct"]).as_py() < shared.sum():
        return None  # rows with one key are in one split
    return first_salt(split, keys, lambda rows: bool((rows[shared] >= minimum).all()))


def advice_for_no_rows(split: Split, keys: "Callable[[], pa.Table]") -> str:
    """What to write where a split has no row: a salt with which each has some, and each label.

    `keys` is called only for a split with a salt; its strata are the labels where there are any.
    """
    import pyarrow as pa

    if not isinstance(split, HashSplit | KFoldSplit):
        times = "change `test_from` or `validation_from`, or give rows of that time"
        return times if split.type == "time" else "give its file rows, and check `where`"
    by_label = keys()
    if salt := filling_salt(split, by_label):
        return f"write `salt: {canonical_json(salt)}`, with which each label has rows in each split"
    one = by_label.select(["key"]).append_column("stratum", pa.array([""] * len(by_label)))
    if salt := filling_salt(split, one):
        return f"write `salt: {canonical_json(salt)}`, with which each split has rows"
    return f"{TRIED} gives each split rows: change the shares, or give more rows"
