"""Files that are there whole or not at all."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path


def write_if_changed(path: Path, text: str) -> bool:
    """Write `text` as UTF-8 unless the file holds exactly it; tell whether it was written."""
    content = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == content:
        return False
    write_atomic(path, content)
    return True


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file in one step: a reader, or a crash, sees the old bytes or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
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
    that a new file has here, whatever the library that wrote them chose.
    """
    beside = {target: target.with_name(f".{target.name}.new") for target in places.values()}
    aside = {target: target.with_name(f".{target.name}.old") for target in places.values()}
    try:
        for source, target in places.items():
            for file in [source, *source.rglob("*")]:
                if file.is_file():
                    file.chmod(0o666 & ~_umask())
            target.parent.mkdir(parents=True, exist_ok=True)
            remove(beside[target])
            remove(aside[target])
            shutil.move(source, beside[target])
        with _uninterrupted():
            _swap(beside, aside)
    finally:
        for path in (*beside.values(), *aside.values()):
            remove(path)


def _swap(beside: Mapping[Path, Path], aside: Mapping[Path, Path]) -> None:
    try:
        for target, new in beside.items():
            if target.exists() or target.is_symlink():
                target.rename(aside[target])
            new.rename(target)
    except OSError:
        for target, old in aside.items():
            if old.exists() or old.is_symlink():
                remove(target)
                old.rename(target)
        raise


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block has ended. Only a main thread is ever interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


def _umask() -> int:
    # There is no way to read the umask without setting it.
    umask = os.umask(0o022)
    os.umask(umask)
    return umask
