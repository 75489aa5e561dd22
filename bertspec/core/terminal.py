"""Text of the data on a terminal: in one line, and without what a terminal would obey."""

import json
import re
from typing import Any

_JOINERS = "\u200c\u200d"
"""Zero-width joiner and non-joiner: emoji and several scripts are written with them."""

_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a terminal may take for a command or a change of direction."""


def one_line(text: str) -> str:
    """`text` with each run of white space as one space, and what is not printable as an escape."""
    return "".join(
        c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode("ascii")
        for c in " ".join(text.split())
    )


def json_text(value: Any) -> str:
    """`value` as JSON to read, with nothing in it that a terminal would obey."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
