"""The split of a row: a function of its content alone, so that other rows may come and go.

`row_digest` and `split_of` say what the id and the split of one row are; the other functions give
the same for columns.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.digest import canonical_json
from bertspec.core.errors import InputError
from bertspec.pipeline.params.split import (
    ISO_8601,
    GivenSplit,
    HashSplit,
    KFoldSplit,
    Split,
    TimeSplit,
    instant,
)
from bertspec.runtime.mapping import ROW, Shard, as_array, shown

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BITS = 53
"""As many bits as a double holds exactly, so that the share is the same on every machine."""


def row_digest(row: Mapping[str, object]) -> str:
    """Id of a row: 128 bits of the SHA-256 of its canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(row).encode()).hexdigest()[:32]


def split_of(key: Sequence[str], validation: float, test: float, salt: str) -> SplitName:
    """Rows with an equal key are in one split.

    The key's digest is a point in [0, 1): below `test` it is in test, then for as long as
    `validation` in validation, else in train. Raising one share so moves rows in one direction.
    """
    point = point_of(key, salt)
    if point < test:
        return "test"
    return "validation" if point < test + validation else "train"


def point_of(key: Sequence[str], salt: str) -> float:
    """The point in [0, 1) of a key: the first 53 bits of a digest."""
    digest = hashlib.sha256(canonical_json([salt, *key]).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / 2**_BITS


def row_digests(mapped: "pa.Table") -> "pa.Array":
    """`row_digest` of each row of a mapped table, of all its columns but ROW."""
    import pyarrow as pa
    from pyarrow import compute as pc

    parts: list[pa.Array | str] = []
    for name in sorted(set(mapped.column_names) - {ROW}):
        parts += [("," if parts else "{") + canonical_json(name) + ":", _json(mapped[name])]
    documents = pc.binary_join_element_wise(*parts, "}", "")
    return pa.array(
        [hashlib.sha256(document).hexdigest()[:32] for document in _bytes(documents)], pa.string()
    )


def key_json(keys: "Sequence[pa.Array | pa.ChunkedArray]") -> "pa.Array":
    """What is hashed of each row beside the salt: the canonical JSON of its key, without `[`."""
    from pyarrow import compute as pc

    parts = [_json(values) for values in keys]
    return pc.binary_join_element_wise(
        pc.binary_join_element_wise(*parts, ",") if len(parts) > 1 else parts[0], "]", ""
    )


def points(key_json: "pa.Array", salt: str) -> "np.ndarray":
    """`point_of` each row; a digest for each distinct key."""
    encoded = key_json.dictionary_encode()
    return _points(_bytes(encoded.dictionary), salt)[encoded.indices.to_numpy()]


def _points(keys: Iterable[bytes], salt: str) -> "np.ndarray":
    import numpy as np

    start = (canonical_json([salt])[:-1] + ",").encode()
    digests = b"".join(hashlib.sha256(start + key).digest()[:8] for key in keys)
    whole = np.frombuffer(digests, ">u8") >> np.uint64(64 - _BITS)
    return whole.astype(np.float64) / 2**_BITS


def assign(split: Split, keys: "Sequence[pa.Array | pa.ChunkedArray]", shard: Shard) -> "pa.Array":
    """The name of each row's split.

    `keys` are columns of the rows that `shard` takes, as many rows as it takes: of a hash or
    k-fold split the group, or else the texts; of a split by time the source's column as it is;
    of a given split the texts of `train`, from which it takes validation. Raises InputError
    (E323) naming the row for what is no time.
    """
    import numpy as np
    import pyarrow as pa

    if isinstance(split, TimeSplit):
        codes = _by_time(split, times(as_array(keys[0]), split.column, shard))
    elif isinstance(split, KFoldSplit):
        codes = _by_fold(split, points(key_json(keys), split.salt))
    elif isinstance(split, HashSplit):
        codes = _by_share(points(key_json(keys), split.salt), split.validation, split.test)
    else:
        assert isinstance(split, GivenSplit)  # noqa: S101 - for mypy: the last kind of split
        codes = _by_share(points(key_json(keys), ""), split.validation, 0.0)
    return pa.array(SPLITS, pa.string()).take(pa.array(codes.astype(np.int8)))


_TRAIN, _VALIDATION, _TEST = map(SPLITS.index, ("train", "validation", "test"))


def _by_share(points: "np.ndarray", validation: float, test: float) -> "np.ndarray":
    import numpy as np

    return np.select([points < test, points < test + validation], [_TEST, _VALIDATION], _TRAIN)


def _by_fold(split: KFoldSplit, points: "np.ndarray") -> "np.ndarray":
    """The test is the row's fold, and validation what comes after it, around the end."""
    import numpy as np

    # The fold is the same number whichever fold is the test, so that folds are a partition.
    fold = np.minimum((points * split.folds).astype(np.int64), split.folds - 1)
    following = (split.fold + 1) % split.folds
    if split.validation is None:
        is_validation = fold == following
    else:
        is_validation = (points - following / split.folds) % 1.0 < split.validation
    return np.select([fold == split.fold, is_validation], [_TEST, _VALIDATION], _TRAIN)


def _by_time(split: TimeSplit, times: "np.ndarray") -> "np.ndarray":
    import numpy as np

    test = _microseconds(split.test_from)
    first = test if split.validation_from is None else _microseconds(split.validation_from)
    return np.select([times >= test, times >= first], [_TEST, _VALIDATION], _TRAIN)


_MICROSECOND = timedelta(microseconds=1)
_EPOCH = instant("1970-01-01")
_LAST_SECOND = (instant("9999-12-31T23:59:59Z") - _EPOCH) // timedelta(seconds=1)
_FIRST_SECOND = (instant("0001-01-01") - _EPOCH) // timedelta(seconds=1)


def _microseconds(text: str) -> int:
    return (instant(text) - _EPOCH) // _MICROSECOND


def times(values: "pa.Array", column: str, shard: Shard) -> "np.ndarray":
    """Microseconds since 1970, UTC, of each row that the shard takes (int64).

    Text is ISO 8601 or whole Unix seconds. Raises InputError (E323) naming the rows of what is
    neither, or missing.
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute as pc

    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _checked_times(_of_temporal(values), values, column, shard)
    text = shard.cast(values, column)
    is_second = pc.fill_null(pc.match_substring_regex(text, r"^-?[0-9]{1,12}$"), fill_value=False)
    is_iso = pc.fill_null(pc.match_substring_regex(text, ISO_8601), fill_value=False)
    is_iso = pc.and_not(is_iso, pc.fill_null(pc.starts_with(text, "0000"), fill_value=False))
    nothing = pa.scalar(None, pa.string())
    seconds = pc.if_else(is_second, text, nothing).cast(pa.int64())
    in_calendar = pc.and_(
        pc.greater_equal(seconds, _FIRST_SECOND), pc.less_equal(seconds, _LAST_SECOND)
    )
    seconds = pc.if_else(in_calendar, pc.multiply(seconds, 1_000_000), pa.scalar(None, pa.int64()))
    found = pc.coalesce(seconds, _of_iso(pc.if_else(is_iso, text, nothing)))
    return _checked_times(found, text, column, shard).astype(np.int64)


def _of_temporal(values: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    zone = getattr(values.type, "tz", None)
    return values.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.int64())


def _checked_times(
    found: "pa.Array", values: "pa.Array", column: str, shard: Shard
) -> "np.ndarray":
    from pyarrow import compute as pc

    shard.refuse(
        "E323",
        pc.is_null(found),
        f"column `{column}` is no time",
        "write ISO 8601, such as 2024-05-31 or 2024-05-31T12:00:00Z, or whole Unix seconds",
        values,
    )
    return found.to_numpy()


def _of_iso(text: "pa.Array") -> "pa.Array":
    """Microseconds of texts of the form ISO_8601 (int64); null for null and for no such day."""
    import pyarrow as pa
    from pyarrow import compute as pc

    # Arrow's own parser wants a time, an offset with it, and no more digits than it can keep.
    whole = pc.replace_substring_regex(text, r"^(.{10})$", r"\1T00:00Z")
    whole = pc.replace_substring_regex(whole, r"(\.[0-9]{6})[0-9]+", r"\1")
    has_offset = pc.match_substring_regex(whole, r"(Z|[+-][0-9]{2}:?[0-9]{2})$")
    zoned = pc.if_else(has_offset, whole, pc.binary_join_element_wise(whole, "Z", ""))
    try:
        return zoned.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    except pa.ArrowInvalid:  # some are no days, such as the 30th of February
        return pa.array([_microseconds_or_none(t) for t in text.to_pylist()], pa.int64())


def _microseconds_or_none(text: str | None) -> int | None:
    try:
        return None if text is None else _microseconds(text)
    except (ValueError, OverflowError):
        return None


Counts = Counter[tuple[str, SplitName]]
"""Rows of each stratum in each split. Those of shards are added with `+`."""


def count_strata(strata: "pa.Array | pa.ChunkedArray", splits: "pa.Array") -> Counts:
    """How many rows of each stratum are in each split."""
    import pyarrow as pa

    table = pa.table({"stratum": as_array(strata), "split": splits})
    rows = table.group_by(["stratum", "split"]).aggregate([([], "count_all")]).to_pylist()
    return Counter({(row["stratum"], row["split"]): row["count_all"] for row in rows})


def realised_shares(counts: Counts) -> dict[str, dict[SplitName, float]]:
    """For each stratum, in order, the share of its rows in each split."""
    totals = _totals(counts)
    return {
        stratum: {name: counts[stratum, name] / total for name in SPLITS}
        for stratum, total in sorted(totals.items())
    }


def _totals(counts: Counts) -> Counter[str]:
    totals: Counter[str] = Counter()
    for (stratum, _), count in counts.items():
        totals[stratum] += count
    return totals


def _asked(split: HashSplit) -> dict[SplitName, float]:
    return {"test": split.test, "validation": split.validation}


def _keeps(count: float, total: float, share: float, tolerance: float) -> bool:
    """Whether a share is as asked; less than a row off is as near as any split comes."""
    return abs(count - share * total) <= tolerance * total or abs(count - share * total) < 1


def check_stratify(split: HashSplit, counts: Counts) -> list[Diagnostic]:
    """A finding (E324) for each stratum and split whose share is not the one that is asked."""
    found = []
    for stratum, total in sorted(_totals(counts).items()):
        for name, share in _asked(split).items():
            count = counts[stratum, name]
            if not _keeps(count, total, share, split.tolerance):
                message = (
                    f"{count} of {total} rows with `{split.stratify}` {shown(stratum)} are in "
                    f"`{name}`: {count / total:.3f}, and {share:g} is asked, give or take "
                    f"{split.tolerance:g}"
                )
                found.append(Diagnostic("E324", message))
    return found


SALTS = tuple(str(number) for number in range(1, 201))
"""Salts that are tried, in this order."""

_SHOWN_STRATA = 10


def require_strata(split: HashSplit, counts: Counts, keys: "Callable[[], pa.Table]") -> None:
    """Raise InputError (E324) when the shares do not hold in every stratum, and propose a salt.

    `keys` is called only then; it gives `key` (as `key_json`) and `stratum` of every row.
    """
    found = check_stratify(split, counts)
    if not found:
        return
    salt = propose_salt(split, keys())
    advice = (
        f"write `salt: {canonical_json(salt)}`, with which all shares hold; it moves rows"
        if salt is not None
        else f"none of the salts {SALTS[0]} to {SALTS[-1]} keeps them: raise `tolerance`, or "
        "leave `stratify` out"
    )
    shown_ = [Diagnostic(d.code, d.message, advice) for d in found[:_SHOWN_STRATA]]
    if len(found) > _SHOWN_STRATA:
        shown_.append(
            Diagnostic("E324", f"{len(found) - _SHOWN_STRATA} more shares are off", advice)
        )
    raise InputError(shown_)


def propose_salt(split: HashSplit, keys: "pa.Table") -> str | None:
    """The first of SALTS with which the shares hold in every stratum; None when there is none."""
    import numpy as np

    rows = keys.select(["stratum", "key"]).group_by(["stratum", "key"])
    table = rows.aggregate([([], "count_all")])
    encoded = as_array(table["key"]).dictionary_encode()
    names = list(_bytes(encoded.dictionary))
    place = encoded.indices.to_numpy()
    weight = table["count_all"].to_numpy()
    strata = as_array(table["stratum"]).dictionary_encode().indices.to_numpy()
    # The small ones are the first to be off; most salts are given up after a few digests.
    sizes = np.bincount(strata, weights=weight)
    members = np.split(np.argsort(strata, kind="stable"), np.cumsum(np.bincount(strata))[:-1])
    order = np.argsort(sizes, kind="stable")
    groups = [([names[i] for i in place[members[s]]], weight[members[s]], sizes[s]) for s in order]
    for salt in SALTS:
        if all(_salt_keeps(split, salt, *group) for group in groups):
            return salt
    return None


def _salt_keeps(
    split: HashSplit, salt: str, keys: Sequence[bytes], weight: "np.ndarray", total: float
) -> bool:
    import numpy as np

    codes = _by_share(_points(keys, salt), split.validation, split.test)
    rows = np.bincount(codes, weights=weight, minlength=len(SPLITS))
    return all(
        _keeps(float(rows[SPLITS.index(name)]), float(total), share, split.tolerance)
        for name, share in _asked(split).items()
    )


_SPECIAL = r'["\\\x00-\x1f]'
"""What JSON escapes; everything else it writes as it is."""


def _json(values: "pa.Array | pa.ChunkedArray") -> "pa.Array":
    """Canonical JSON of each value: a text, a list of texts, a number, or SQuAD's answers."""
    import pyarrow as pa
    from pyarrow import compute as pc

    values = as_array(values)
    if pa.types.is_floating(values.type) or pa.types.is_struct(values.type):
        return pa.array([canonical_json(value) for value in values.to_pylist()], pa.string())
    if not pa.types.is_list(values.type):
        return _json_of_text(values)
    items = _json_of_text(values.flatten())
    counts = pc.list_value_length(values).to_numpy()
    joined = pc.binary_join(_lists(items, counts), ",")
    return pc.binary_join_element_wise("[", joined, "]", "")


def _lists(items: "pa.Array", counts: "np.ndarray") -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def _json_of_text(values: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    from pyarrow import compute as pc

    quoted = pc.binary_join_element_wise('"', values, '"', "")
    special = pc.match_substring_regex(values, _SPECIAL)
    if pc.any(special).as_py():
        # Arrow replaces one character at a time, and Python's encoder, in C, all of them.
        encode = json.JSONEncoder(ensure_ascii=False).encode
        written = pa.array(map(encode, values.filter(special).to_pylist()), pa.string())
        quoted = pc.replace_with_mask(quoted, special, written)
    return quoted


def _bytes(texts: "pa.Array") -> Iterable[bytes]:
    """The UTF-8 of each text."""
    import numpy as np

    if not len(texts):
        return
    _, offsets, data = texts.buffers()
    first, last = texts.offset, texts.offset + len(texts) + 1
    places = np.frombuffer(offsets, np.int32)[first:last].tolist()
    content = data.to_pybytes() if data is not None else b""
    for start, end in pairwise(places):
        yield content[start:end]
