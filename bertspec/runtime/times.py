"""Columns of times: timestamps, dates, ISO 8601 and Unix seconds, as microseconds since 1970."""

from datetime import timedelta
from typing import TYPE_CHECKING

from bertspec.pipeline.params.split import ISO_8601, instant
from bertspec.runtime.raw_shard import Shard

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = instant("1970-01-01")
_LAST_SECOND = (instant("9999-12-31T23:59:59Z") - _EPOCH) // timedelta(seconds=1)
_FIRST_SECOND = (instant("0001-01-01") - _EPOCH) // timedelta(seconds=1)


def microseconds(text: str) -> int:
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
        return None if text is None else microseconds(text)
    except (ValueError, OverflowError):
        return None
