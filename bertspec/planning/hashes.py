"""MD5 digests of files and folders, as DVC computes them; each file is read once."""

import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bertspec.core.looks import note
from bertspec.core.watched import watched
from bertspec.planning.memory import load, store

_KEPT = "hashes"
_SURE_NS = 2_000_000_000
"""A file that is younger than this may change again without another time of change."""

_State = tuple[int, int, int]
"""Size, time of change, and inode."""


class Hashes:
    """Digests of what lies in a project, or of DVC's cache."""

    def __init__(self, root: Path) -> None:
        self._root = root
        kept = load(root, _KEPT)
        self._before: dict[str, list[int | str]] = kept if isinstance(kept, dict) else {}
        self._now: dict[str, list[int | str]] = {}
        self._found: dict[str, str | None] = {}

    def of(self, path: str) -> str | None:
        """The digest of a file, or of a folder with `.dir` behind it; None for what is not."""
        if path not in self._found:
            self._found[path] = note("digest", path, self._digest(path))
        return self._found[path]

    def is_program(self, path: str) -> bool:
        """Whether it is a file that may be executed, which is part of a run's key."""
        try:
            mode = (self._root / path).stat().st_mode
        except OSError:
            return False
        return stat.S_ISREG(mode) and bool(mode & 0o111)

    def keep(self) -> None:
        """Let the next plan know what this one has read."""
        if self._now != self._before:
            store(self._root, _KEPT, self._now)

    def _digest(self, path: str) -> str | None:
        place = os.path.join(self._root, path)  # noqa: PTH118 - of thousands of files
        try:
            about = os.stat(place)  # noqa: PTH116 - the same
        except (OSError, ValueError):  # such as a name that has a NUL
            return None
        if stat.S_ISDIR(about.st_mode):
            return self._folder(place)
        return self._files({place: about})[place] if stat.S_ISREG(about.st_mode) else None

    def _folder(self, place: str) -> str:
        files = {}
        for folder, names in watched(place):
            for file in (f"{folder}{os.sep}{name}" for name in names):
                with suppress(OSError):  # such as a link that leads to nothing
                    files[file] = os.stat(file)  # noqa: PTH116
        digests = self._files(
            {f: about for f, about in files.items() if stat.S_ISREG(about.st_mode)}
        )
        start = len(place.rstrip(os.sep)) + 1
        entries = [
            {"md5": digest, "relpath": file[start:].replace(os.sep, "/")}
            for file, digest in digests.items()
        ]
        entries.sort(key=lambda entry: entry["relpath"])
        return _md5(json.dumps(entries, sort_keys=True).encode("utf-8")) + ".dir"

    def _files(self, places: Mapping[str, os.stat_result]) -> dict[str, str]:
        found: dict[str, str] = {}
        states: dict[str, _State] = {}
        for place, about in places.items():
            state = about.st_size, about.st_mtime_ns, about.st_ino
            *before, digest = self._before.get(place, (None, ""))
            if tuple(before) == state:
                found[place] = str(digest)
                self._now[place] = self._before[place]
            else:
                states[place] = state
        if states:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor() as threads:  # hashing leaves Python's lock
                found |= zip(states, threads.map(_md5_of_file, states), strict=True)
            sure = time.time_ns() - _SURE_NS
            for place, state in states.items():
                if state[1] < sure:
                    self._now[place] = [*state, found[place]]
        return found


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _md5_of_file(place: str) -> str:
    with open(place, "rb") as file:  # noqa: PTH123 - of thousands of files
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
