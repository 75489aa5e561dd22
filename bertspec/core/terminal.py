"""Text of the data on a terminal: in one line, and without what a terminal would obey."""

import json
from typing import Any

_JOINERS = "\u200c\u200d"
"""Zero-width joiner and non-joiner: emoji and several scripts are written with them."""


def one_line(text: str) -> str:
    """`text` with each run of white space as one space, and what is not printable as an escape."""
    return "".join(
        c if _is_shown(c) else c.encode("unicode_escape").decode("ascii")
        for c in " ".join(text.split())
    )


def json_text(value: Any) -> str:
    """`value` as JSON to read, with what is not printable as an escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if _is_shown(c) or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in _JOINERS
