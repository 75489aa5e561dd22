"""Files that are there whole or not at all."""

import contextlib
import errno
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from bertspec.core.errors import Interrupted

_OTHERS = (signal.SIGTERM, signal.SIGHUP)
"""Signals beside SIGINT that ask a process to end."""

WRITABLE = 0o200
"""A file that its owner cannot write is meant to be so, and stays so."""


def write_if_changed(path: Path, text: str) -> bool:
    """Write `text` as UTF-8 unless the file holds exactly it; tell whether it was written."""
    content = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == content:
        return False
    write_atomic(path, content)
    return True


def write_json(path: Path, values: Any) -> None:
    """As transformers writes its own."""
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file in one step: a reader, or a crash, sees the old bytes or the new ones."""
    with writing(path) as file:
        file.write(content)


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Replace files, each in one step: all of them, or none where one cannot be written."""
    before = {path: path.read_bytes() if path.exists() else None for path in contents}
    written: list[Path] = []
    with _uninterrupted():
        try:
            for path, content in contents.items():
                write_atomic(path, content)
                written.append(path)
        except BaseException:
            for path in written:
                old = before[path]
                with contextlib.suppress(OSError):
                    if old is None:
                        path.unlink()
                    else:
                        write_atomic(path, old)
            raise


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside `path`, which takes its place when the block has ended without an error.

    A link stays one, and the file that it leads to is replaced. Raises OSError (ELOOP), too, for
    links that lead to each other.
    """
    try:
        path = path.resolve()
    except RuntimeError:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def publish(places: Mapping[Path, Path]) -> None:
    """Move finished files and folders to their places, over what was there: all, or none.

    `places` maps each to its place, which may be on another file system. The files get the mode
    that a new file has here, whatever the library that wrote them chose. When a failure cannot be
    undone either, what was there stays beside its place, as `.NAME.old`.
    """
    beside = {target: target.with_name(f".{target.name}.new") for target in places.values()}
    aside = {target: target.with_name(f".{target.name}.old") for target in places.values()}
    try:
        for source, target in places.items():
            for file in [source, *source.rglob("*")]:
                if file.is_file() and file.stat().st_mode & WRITABLE:
                    set_mode(file, 0o666)
            target.parent.mkdir(parents=True, exist_ok=True)
            remove(beside[target])
            shutil.move(source, beside[target])
        with _uninterrupted():
            _swap(beside, aside)
    finally:
        for path in beside.values():
            remove(path)


def _swap(beside: Mapping[Path, Path], aside: Mapping[Path, Path]) -> None:
    placed: list[Path] = []
    moved: list[Path] = []
    try:
        for target, new in beside.items():
            if target.exists() or target.is_symlink():
                # One that a killed run left is removed only now: it may be all that there is.
                remove(aside[target])
                target.rename(aside[target])
                moved.append(target)
            new.rename(target)
            placed.append(target)
    except BaseException as error:
        _put_back(placed, {target: aside[target] for target in moved}, error)
        raise
    for old in aside.values():
        # All is in place; what cannot be removed now goes when this stage is next published.
        with contextlib.suppress(OSError):
            remove(old)


def _put_back(placed: Iterable[Path], moved: Mapping[Path, Path], error: BaseException) -> None:
    """Undo a part of a swap, as far as it can be; `error` gets a note of what cannot."""
    for target in placed:
        try:
            remove(target)
        except OSError as problem:
            error.add_note(f"{target} could not be removed: {problem}")
    for target, old in moved.items():
        try:
            old.rename(target)
        except OSError as problem:
            error.add_note(f"what was at {target} is at {old} now: {problem}")


def set_mode(path: Path, mode: int) -> None:
    """Give a file a mode, without what this process's umask takes from new files."""
    path.chmod(mode & ~_umask())


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_ignored(folder: Path) -> Path:
    """Make a folder that git leaves alone, whatever the project's own .gitignore says."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    return folder


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold what asks to end back until the block has ended. Only a main thread gets it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: held.append(number))
        for number in (signal.SIGINT, *_OTHERS)
        if signal.getsignal(number) is not None  # None: a handler that is not Python's
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in held:
            signal.raise_signal(caught)


@contextlib.contextmanager
def removed_on_signals() -> Iterator[None]:
    """Let SIGTERM, and the end of the terminal, end the block as Ctrl-C does, so that what it is
    writing does not stay.

    To be entered in the main thread, which alone gets signals.
    """

    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number=number)

    before = {
        number: signal.signal(number, interrupt)
        for number in _OTHERS
        if signal.getsignal(number) not in (signal.SIG_IGN, None)  # ignored, as nohup has it
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _umask() -> int:
    # There is no way to read the umask without setting it.
    umask = os.umask(0o022)
    os.umask(umask)
    return umask
