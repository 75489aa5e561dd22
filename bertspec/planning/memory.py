"""What a plan has found out and the next one need not: in the git-ignored folder of the project.

Nothing is decided by it: all that is kept is kept for the exact bytes, or the exact state of a
file, that it was made from.
"""

import hashlib
import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from bertspec.core.files import make_ignored
from bertspec.pipeline.layout import WORK_FOLDER

_FOLDER = "plan"

_INSTEAD: ContextVar[tuple[Path, MutableMapping[str, Any]] | None] = ContextVar(
    "_INSTEAD", default=None
)
"""A project that nothing is written to, and what is kept for it in this process."""


@contextmanager
def nothing_written(root: Path, instead: MutableMapping[str, Any]) -> Iterator[None]:
    """What would be kept in the project's folder is kept in `instead` alone."""
    token = _INSTEAD.set((root, instead))
    try:
        yield
    finally:
        _INSTEAD.reset(token)


def recall(root: Path, name: str, content: bytes) -> Any:
    """What was kept under this name for this content, or None."""
    kept = load(root, name)
    if isinstance(kept, dict) and kept.get("of") == _digest(content):
        return kept.get("value")
    return None


def remember(root: Path, name: str, content: bytes, value: Any) -> None:
    """Keep what JSON can hold without loss."""
    with suppress(TypeError, ValueError):
        if json.loads(json.dumps(value)) == value:
            store(root, name, {"of": _digest(content), "value": value})


def load(root: Path, name: str) -> Any:
    """The value of that name; None where there is none, or it is broken."""
    if (instead := _instead(root)) is not None and name in instead:
        return instead[name]
    with suppress(OSError, ValueError):
        return json.loads(_file(root, name).read_bytes())
    return None


def store(root: Path, name: str, value: Any) -> None:
    """Keep a value if this folder can be written at all."""
    if (instead := _instead(root)) is not None:
        instead[name] = value
        return
    with suppress(OSError):
        file = _file(root, name)
        make_ignored(root / WORK_FOLDER)
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(value), encoding="ascii")  # half of it would be no JSON


def _instead(root: Path) -> MutableMapping[str, Any] | None:
    kept = _INSTEAD.get()
    return kept[1] if kept and kept[0] == root else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file(root: Path, name: str) -> Path:
    # The name may be a path, and one that leads out of the project.
    return root / WORK_FOLDER / _FOLDER / f"{name.replace('/', '%')}.json"
