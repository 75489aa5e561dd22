"""Shards that an earlier run of a stage has made: what is made from the same is not made again.

DVC removes a stage's outputs before it runs the stage, so they are kept outside of them.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.core.digest import file_digest
from bertspec.core.files import remove, set_mode
from bertspec.runtime.contents import content_digest

LIST = "list.json"
"""File of an entry: what is said of it, and SHA-256, size, time of change, name and digest of the
content of each file.
Cut short by a crash it is no JSON, where plain lines would look like an entry of fewer files.
"""


@dataclass(frozen=True)
class Entry:
    """What is kept for a key."""

    digests: Mapping[str, str]
    """SHA-256 of each file by its name."""
    contents: Mapping[str, str | None]
    """And of what it holds, see `content_digest`."""
    note: Any
    """What the maker said of it, as JSON has it."""


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
        self.contents: dict[Path, str | None] = {}
        self.of_earlier = False
        """Whether something was taken from an earlier run."""
        self._made: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def place(self, key: str, make: Callable[[Path], Any], place: Callable[[str], Path]) -> Entry:
        """Put the files of `key` at `place(name)`.

        `make` writes them into an empty folder, and says what is to be noted of them. It is
        called only when they are not there from an earlier run.
        """
        self._used.add(key)
        folder = self._folder / key
        entry = _read(folder)
        if entry is None:
            _make(folder, make)
            entry = _read(folder) or Entry({}, {}, None)
            self._made.add(key)
        elif key not in self._made:
            self.of_earlier = True
        for name, value in entry.digests.items():
            target = place(name)
            _link(folder / name, target)
            self.digests[target] = value
            self.contents[target] = entry.contents[name]
        return entry

    def has(self, key: str) -> bool:
        """Whether the files of `key` were made in an earlier run, and are not removed since."""
        return (self._folder / key / LIST).is_file()

    def note(self, name: str) -> Path:
        """A file of the stage's own among the entries, which may not be there."""
        self._used.add(name)
        return self._folder / name

    def keep_used(self) -> None:
        """Remove what this run did not use. Called when the stage's outputs are whole."""
        for entry in self._folder.iterdir():
            if entry.name not in self._used:
                remove(entry)


def _make(entry: Path, make: Callable[[Path], Any]) -> None:
    new = entry.with_name(f"{entry.name}.new")
    remove(entry)
    remove(new)
    new.mkdir()
    note = make(new)
    files = []
    for file in sorted(new.iterdir()):
        set_mode(file, 0o444)
        about = file.stat()
        known = file_digest(file), about.st_size, about.st_mtime_ns, file.name
        files.append([*known, content_digest(file)])
    (new / LIST).write_text(json.dumps({"note": note, "files": files}), encoding="utf-8")
    new.rename(entry)


def _read(entry: Path) -> Entry | None:
    """None when it is not there or not what it was."""
    digests, contents = {}, {}
    try:
        listed = json.loads((entry / LIST).read_bytes())
        for digest, size, changed, name, content in listed["files"]:
            about = (entry / name).stat()
            if (about.st_size, about.st_mtime_ns) != (size, changed):
                return None
            digests[name], contents[name] = digest, content
        return Entry(digests, contents, listed["note"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        remove(target)
        _link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
