"""JSON in the cells of a table."""

import json
from typing import Any


def value_of(text: str) -> Any:
    """What a text of JSON says; None for null, and for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_text(value: object) -> bool:
    """Whether a value is a text; half of a surrogate pair can be written in JSON, and is none."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)
