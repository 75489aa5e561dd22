"""Shards that an earlier run of a stage has made: what is made from the same is not made again.

DVC removes a stage's outputs before it runs the stage, so they are kept outside of them.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bertspec.core.digest import file_digest
from bertspec.core.files import remove, set_mode

LIST = "list.json"
"""File of an entry: SHA-256, size, time of change and name of each file in it. Cut short by a
crash it is no JSON, where plain lines would look like an entry of fewer files.
"""


class Reuse:
    """A stage's shards, each by a digest of all that it was made from.

    A shard is read-only, and its place in the outputs is a link to it, so it takes no room of its
    own. An entry whose files no longer have the size and the time of change that they were made
    with is made again: this is how DVC, too, knows that a file is what it was.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()
        self.digests: dict[Path, str] = {}
        """SHA-256 of every file that was put into its place."""
        folder.mkdir(parents=True, exist_ok=True)

    def place(
        self, key: str, make: Callable[[Path], None], place: Callable[[str], Path]
    ) -> dict[str, str]:
        """Put the files of `key` at `place(name)`; give the SHA-256 of each by its name.

        `make` writes them into an empty folder, and is called only when they are not there from
        an earlier run.
        """
        self._used.add(key)
        entry = self._folder / key
        digests = _digests(entry)
        if digests is None:
            _make(entry, make)
            digests = _digests(entry) or {}
        for name, value in digests.items():
            _link(entry / name, place(name))
            self.digests[place(name)] = value
        return digests

    def has(self, key: str) -> bool:
        """Whether the files of `key` are there from an earlier run."""
        return _digests(self._folder / key) is not None

    def note(self, name: str) -> Path:
        """A file of the stage's own among the entries, which may not be there."""
        self._used.add(name)
        return self._folder / name

    def keep_used(self) -> None:
        """Remove what this run did not use. Called when the stage's outputs are whole."""
        for entry in self._folder.iterdir():
            if entry.name not in self._used:
                remove(entry)


def _make(entry: Path, make: Callable[[Path], None]) -> None:
    new = entry.with_name(f"{entry.name}.new")
    remove(entry)
    remove(new)
    new.mkdir()
    make(new)
    files = []
    for file in sorted(new.iterdir()):
        set_mode(file, 0o444)
        about = file.stat()
        files.append([file_digest(file), about.st_size, about.st_mtime_ns, file.name])
    (new / LIST).write_text(json.dumps(files), encoding="utf-8")
    new.rename(entry)


def _digests(entry: Path) -> dict[str, str] | None:
    """SHA-256 of each file of an entry; None when it is not there or not what it was."""
    found = {}
    try:
        for digest, size, changed, name in json.loads((entry / LIST).read_text(encoding="utf-8")):
            about = (entry / name).stat()
            if (about.st_size, about.st_mtime_ns) != (size, changed):
                return None
            found[name] = digest
    except (OSError, ValueError):
        return None
    return found


def _link(source: Path, target: Path) -> None:
    remove(target)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
