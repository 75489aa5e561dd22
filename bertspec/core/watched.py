"""What DVC watches of folders of the user's own: neither what git and others keep, nor links."""

import os
from collections.abc import Iterator

_LEFT_OUT = (".git", ".hg", ".dvc")
"""Folders that DVC leaves out, whatever .dvcignore says."""


def watched(folder: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """Each folder from this one on, with the names of its files; none that is a link."""
    for place, below, names in os.walk(os.fspath(folder)):
        below[:] = [name for name in below if name not in _LEFT_OUT]
        yield place, [name for name in names if name != ".git"]  # one of a submodule is a file
