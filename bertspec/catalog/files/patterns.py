"""File names with `*`, `?`, `[...]` and `**` in them."""

from collections.abc import Iterable, Sequence
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

    Raises InputError: E301 when none matches, E109 for a file in a linked folder. A name without
    signs matches itself, there or not.
    """
    if fixed_part(pattern) == pattern:
        return (pattern,)
    found = sorted(p.relative_to(root).as_posix() for p in root.glob(pattern) if p.is_file())
    if not found:
        raise InputError.of("E301", f"no file matches `{pattern}`", "check the path")
    refuse_linked(root, fixed_part(pattern), found)
    return found


def refuse_linked(root: Path, folder: str, names: Iterable[str]) -> None:
    """Raise InputError (E109) for a file that is in a link below `folder`: DVC, which follows none
    there, would not see when it changes.
    """
    between = {p for name in names for p in PurePosixPath(name).relative_to(folder).parents}
    for path in sorted(str(PurePosixPath(folder, p)) for p in between if p.name):
        if (root / path).is_symlink():
            raise InputError.of(
                "E109",
                f"{path} is a link to a folder, and DVC does not watch what is in one",
                f"put the folder itself there, or name {path} in the spec: a link that is named "
                "is watched",
            )
