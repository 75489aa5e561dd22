"""JSON objects as rows of text."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def object_of(value: Any, place: str) -> dict[str, Any]:
    """A JSON value as an object. Raises InputError (E305) when it is none."""
    if not isinstance(value, dict) or not value:
        what = "an empty object" if value == {} else "not an object"
        raise InputError.of("E305", f"{place}: {what}", 'write `{"text": ...}`')
    return {clean(key): item for key, item in value.items()}


def table_of(rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
    """Objects as columns of text: a text as it is, other values as their JSON.

    A key that an object lacks, and null, are null.
    """
    import pyarrow as pa

    columns = dict.fromkeys(key for row in rows for key in row)
    return pa.table(
        {c: pa.array([_text(row.get(c)) for row in rows], pa.string()) for c in columns}
    )


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def clean(text: str) -> str:
    """`text` without lone surrogates: valid JSON, and no text that UTF-8 or Arrow can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
