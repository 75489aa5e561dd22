"""Names of specs, data sets and stages, and the nearest of them to a mistyped one."""

import re
from collections.abc import Iterable
from pathlib import Path

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""What a spec or data set may be called: it becomes a folder, a stage and a key of params.yaml."""


def slugify(text: str) -> str:
    """`text` as such a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


_MOST_LISTED = 20


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known word, in any case, that a mistyped one is nearest to; None where none is near."""
    from difflib import get_close_matches

    folded = {name.casefold(): name for name in sorted(known)}
    near = get_close_matches(wrong.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Advice for an unknown word: the nearest known one, or all when none is near."""
    names = sorted(known)
    near = nearest(wrong, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not names:
        return "nothing is allowed here"
    more = f", and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"one of: {', '.join(f'`{n}`' for n in names[:_MOST_LISTED])}{more}"


def sentences(*parts: str) -> str:
    """Pieces of advice, such as that of `did_you_mean`, as sentences; empty ones are left out."""
    first, *others = filter(None, parts)
    for part in others:
        stop = "" if first.endswith((".", "?", "!")) else "."
        first += f"{stop} {part[:1].upper()}{part[1:]}"
    return first


def nearest_file(path: Path) -> str:
    """Advice for a path that is not there: the nearest name in its folder."""
    near = beside(path)
    return did_you_mean(path.name, near) if near else "check the path"


def beside(path: Path) -> list[str]:
    """Names of what is in the folder of a path, which need not be there."""
    try:
        return [p.name for p in path.parent.iterdir()]
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return []


def nearest_path(path: str, root: Path) -> str | None:
    """`path`, relative to `root`, with the nearest name in its folder; None where none is near."""
    folder, slash, name = path.rpartition("/")
    near = nearest(name, beside(root / path))
    return None if near is None else f"{folder}{slash}{near}"
