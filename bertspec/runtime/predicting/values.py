"""Values as JSON, as cells of CSV, and as Arrow takes them."""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertspec.catalog.json_rows import clean

if TYPE_CHECKING:
    import pyarrow as pa


def size_of(value: Any) -> int:
    """How many characters and bytes there are in a value, however deep; all else counts as one."""
    size, waiting = 0, [value]
    while waiting:  # a call for each depth would be too deep for what JSON may hold
        part = waiting.pop()
        if isinstance(part, (str, bytes)):
            size += len(part)
        elif isinstance(part, Mapping):
            waiting += [*part, *part.values()]
        elif isinstance(part, (list, tuple)):
            waiting += part
        else:
            size += 1
    return size


def json_line(value: Any) -> bytes:
    """JSON in UTF-8, in any locale; half a surrogate pair, which UTF-8 has not, is an escape."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, default=_plain)
    return text.encode("utf-8", "backslashreplace")


def _finite(value: Any) -> Any:
    """The same without NaN and infinity, which JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> str:
    """What JSON has no word for, such as a time."""
    if isinstance(value, bytes):
        return value.hex()
    return _time(value) if hasattr(value, "as_py") else str(value)


def _time(value: "pa.Scalar") -> str:
    """As Python writes it. A time that Python has not is as Arrow writes it, and if that is of a
    zone in UTC, for which nobody must know the zone.
    """
    import pyarrow as pa

    kind = value.type
    known = value
    try:
        if getattr(kind, "unit", None) == "ns":  # pandas, where it is installed, would write others
            known = value.cast(_microseconds(kind))
        return str(known.as_py())
    except (ValueError, OverflowError, KeyError):  # also of nanoseconds, years and zones
        if getattr(kind, "tz", None) is None:
            return str(value.cast(pa.string()))
        return f"{value.cast(pa.timestamp(kind.unit)).cast(pa.string())}Z"


def _microseconds(kind: "pa.DataType") -> "pa.DataType":
    """The same kind of times, with what Python's have."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if pa.types.is_time64(kind) else pa.duration("us")


def python_of(column: "pa.ChunkedArray") -> list[Any]:
    """Values of Arrow as Python has them. Times stay Arrow's, as Python's have no nanoseconds, no
    year above 9999, and not every zone.
    """
    if not _has_times(column.type):
        values: list[Any] = column.to_pylist()
        return values
    return [_with_times(value) for value in column]


def _has_times(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    parts = (kind.field(place).type for place in range(kind.num_fields))
    return pa.types.is_temporal(kind) or any(map(_has_times, parts))


def _with_times(value: "pa.Scalar") -> Any:
    import pyarrow as pa

    if not value.is_valid:
        return None
    if isinstance(value, pa.StructScalar):
        return {part.name: _with_times(value[place]) for place, part in enumerate(value.type)}
    if isinstance(value, pa.MapScalar):
        return [(_with_times(pair[0]), _with_times(pair[1])) for pair in value.values]
    if value.type.num_fields:  # a list of any kind
        return [_with_times(item) for item in value.values]
    return value if pa.types.is_temporal(value.type) else value.as_py()


def cell(value: Any) -> str:
    """A text as it is, numbers and times as text, and all else as JSON; nothing where it is None.

    A lone surrogate is a question mark.
    """
    if value is None or isinstance(value, str):
        return clean(value or "")
    return _json(value) if isinstance(value, (dict, list, bool)) else _plain(value)


def typed(value: Any, kind: "pa.DataType") -> Any:
    """A value for an array of this type; in one of text, what is no text is its JSON."""
    import pyarrow as pa

    if isinstance(value, str):
        return clean(value)
    if pa.types.is_string(kind):
        return None if value is None else _json(value)
    if isinstance(value, list):
        return [clean(item) if isinstance(item, str) else item for item in value]
    return value


def _json(value: Any) -> str:
    return clean(json_line(value).decode())
