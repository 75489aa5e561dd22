"""Texts of users and data as Markdown, in which they are text and nothing else."""

import re

_SIGNS = re.compile(r"[\\`*_\[\]<>|&$~#]")


def plain(value: object) -> str:
    """In one line, without a sign that means something in Markdown, HTML or a table's cell."""
    return _SIGNS.sub(lambda sign: f"\\{sign[0]}", " ".join(str(value).split()))


def code(value: object) -> str:
    """As code in a line or a table's cell, whatever signs it has (CommonMark 0.31, section 6.1)."""
    text = " ".join(str(value).split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if longest else ""
    return f"{fence}{edge}{text}{edge}{fence}"
