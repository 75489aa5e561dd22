"""Numbers that are written as text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def read_numbers(texts: "pa.Array") -> "pa.Array":
    """Each text, without white space around it, as a 64-bit float; null for no finite number."""
    import pyarrow as pa
    from pyarrow import compute as pc

    texts = pc.utf8_trim_whitespace(texts)
    nothing = pa.scalar(None, pa.string())
    is_number = pc.match_substring_regex(texts, _NUMBER)
    # Arrow reads no `+`, and nothing that does not look like a number gets this far.
    digits = pc.replace_substring_regex(texts, pattern=r"^\+", replacement="")
    numbers = pc.if_else(is_number, digits, nothing).cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
