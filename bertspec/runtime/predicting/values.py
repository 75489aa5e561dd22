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
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> str:
    """What JSON has no word for, such as a time."""
    return value.hex() if isinstance(value, bytes) else str(value)


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
