"""Files that are there whole or not at all."""

import contextlib
import os
import shutil
import tempfile
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


def publish(source: Path, target: Path) -> None:
    """Move a finished file or folder to its place, over what was there.

    Its files get the mode that a new file has here, whatever the library that wrote them chose.
    """
    for file in [source, *source.rglob("*")]:
        if file.is_file():
            file.chmod(0o666 & ~_umask())
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif target.exists() or target.is_symlink():
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _umask() -> int:
    # There is no way to read the umask without setting it.
    umask = os.umask(0o022)
    os.umask(umask)
    return umask
