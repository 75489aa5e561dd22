"""Text of the data on a terminal: without what a terminal would obey, or in one line as well."""

import json
import unicodedata
from typing import Any

_JOINERS = "\u200c\u200d"
"""Zero-width joiner and non-joiner: emoji and several scripts are written with them."""

LONGEST = 60
"""Characters of a value in a message."""


def printable(text: str, kept: str = "") -> str:
    """`text` with what is not printable as an escape; spaces, and the characters `kept`, stay."""
    return "".join(
        c
        if _is_shown(c) or c in kept or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def one_line(text: str) -> str:
    """`text` with each run of white space as one space, and what is not printable as an escape."""
    return printable(" ".join(text.split()))


def shortened(text: str) -> str:
    """The beginning of a text that is longer than LONGEST."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def json_text(value: Any) -> str:
    """`value` as JSON to read, with what is not printable as an escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if _is_shown(c) or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in _JOINERS
