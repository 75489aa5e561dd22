"""Texts that are not saved yet, of an editor or an edit of ours: read in place of files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from bertspec.core import looks

_TEXTS: ContextVar[Mapping[Path, str] | None] = ContextVar("unsaved", default=None)


@contextmanager
def unsaved(texts: Mapping[Path, str]) -> Iterator[None]:
    """Inside the block, the files at these resolved paths hold these texts."""
    token = _TEXTS.set(texts)
    try:
        yield
    finally:
        _TEXTS.reset(token)


def unsaved_text(path: Path) -> str | None:
    """The unsaved text of a file; None for one that is to be read from the disk."""
    texts = _TEXTS.get()
    return texts.get(path.resolve()) if texts else None


def is_file(path: Path) -> bool:
    """Whether there is such a file, on the disk or unsaved."""
    return looks.is_file(path) or bool(_TEXTS.get() and unsaved_text(path) is not None)
