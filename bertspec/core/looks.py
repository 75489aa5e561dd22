"""What is looked up in the file system, noted, so that it can be asked again: a result that was
made from the same answers alone is the same result.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

Looks = dict[str, dict[str, Any]]
"""Question -> what it is about -> the answer, which JSON can hold."""

_CHANGED = "changed"
"""In the place of two answers to one question; it is none, so that it is never the same again."""

_LOOKS: ContextVar[Looks | None] = ContextVar("looks", default=None)


@contextmanager
def noting() -> Iterator[Looks]:
    """Inside the block, every look is noted."""
    looks: Looks = {}
    token = _LOOKS.set(looks)
    try:
        yield looks
    finally:
        _LOOKS.reset(token)


def note(question: str, about: str | os.PathLike[str], answer: Any) -> Any:
    """Note an answer, and give it back."""
    if (looks := _LOOKS.get()) is not None:
        answers = looks.setdefault(question, {})
        about = os.fspath(about)
        answers[about] = answer if answers.get(about, answer) == answer else _CHANGED
    return answer


def all_the_same(looks: Looks, more: Mapping[str, Callable[[str], Any]]) -> bool:
    """Whether each question has its answer still; `more` are questions that are not of here."""
    asked: dict[str, Callable[[str], Any]] = {**_QUESTIONS, **more}
    return all(
        asked[question](about) == answer
        for question, answers in looks.items()
        for about, answer in answers.items()
    )


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises OSError."""
    try:
        content = path.read_bytes()
    except OSError:
        note("content", path, None)
        raise
    note("content", path, _digest(content))
    return content


def is_file(path: Path) -> bool:
    """Whether a file is there, also behind a link; never raises."""
    return bool(note("kind", path, _kind(path)) == "file")


def is_folder(path: Path) -> bool:
    return bool(note("kind", path, _kind(path)) == "folder")


def is_there(path: Path) -> bool:
    return note("kind", path, _kind(path)) is not None


def below(folder: Path) -> list[Path]:
    """What is directly in a folder. Raises OSError."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - the names are noted
    except OSError:
        note("names", folder, None)
        raise
    note("names", folder, names)
    return [folder / name for name in names]


def real(path: Path) -> Path:
    """The path with every link in it followed."""
    return Path(note("real", path, os.path.realpath(path)))


def package_folders(name: str) -> list[str]:
    """Where the modules of an installed package lie, found without running it."""
    return list(note("package", name, _package(name)))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(path: str) -> str | None:
    with suppress(OSError):
        return _digest(Path(path).read_bytes())
    return None


def _kind(path: str | os.PathLike[str]) -> str | None:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - of a text
    except (OSError, ValueError):  # such as a name that is too long, or has a NUL
        return None
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def _names(folder: str) -> list[str] | None:
    with suppress(OSError):
        return sorted(os.listdir(folder))  # noqa: PTH208
    return None


def _package(name: str) -> list[str]:
    import importlib.util

    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    return list((found and found.submodule_search_locations) or ())


_QUESTIONS: Mapping[str, Callable[[str], Any]] = {
    "content": _content, "kind": _kind, "names": _names, "real": os.path.realpath,
    "package": _package,
}  # fmt: skip
