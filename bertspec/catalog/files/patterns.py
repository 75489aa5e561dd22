"""File names with `*`, `?`, `[...]` and `**` in them."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from bertspec.core.errors import InputError

MAGIC = ("*", "?", "[")


def fixed_part(pattern: str) -> str:
    """What DVC can watch: the file itself, or the folder that holds all that can match.

    The compiler looks at no file, so that what it writes depends on the spec alone.
    """
    parts = PurePosixPath(pattern).parts
    for index, part in enumerate(parts):
        if any(sign in part for sign in MAGIC):
            return str(PurePosixPath(*parts[:index]))
    return pattern


def matching(root: Path, pattern: str) -> Sequence[str]:
    """Paths of the files, relative to `root`, in the order of their names.

    Raises InputError (E301) when none matches. A name without signs matches itself, there or not.
    """
    if fixed_part(pattern) == pattern:
        return (pattern,)
    found = sorted(p.relative_to(root).as_posix() for p in root.glob(pattern) if p.is_file())
    if not found:
        raise InputError.of("E301", f"no file matches `{pattern}`", "check the path")
    return found
