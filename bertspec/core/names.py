"""Names of specs, data sets and stages, and the nearest of them to a mistyped one."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""What a spec or data set may be called: it becomes a folder, a stage and a key of params.yaml."""


def slugify(text: str) -> str:
    """`text` as such a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Advice for an unknown word: the nearest known one, or all of them when none is near."""
    names = sorted(known)
    near = get_close_matches(wrong.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"one of: {', '.join(f'`{n}`' for n in names)}" if names else "nothing is allowed here"
