"""The columns of a data set's files, read by the source's own code: soon, or the next time."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bertspec.catalog.file_source import FileSource, TextSource
from bertspec.catalog.source import Source
from bertspec.catalog.sources import SOURCES
from bertspec.core.digest import canonical_json
from bertspec.core.errors import BertspecError

PATIENCE = 0.5
"""Seconds that a completion waits for the columns. What comes later is there the next time."""

MOST_BYTES = 1 << 26
"""Of files that are read whole. Of the others it is the first rows alone that are read."""

_BY_PARTS = ("arrow", "parquet")


class Headers:
    """The columns of sources, remembered for as long as their files stay as they are."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {}
        self._reading: dict[str, threading.Thread] = {}

    def columns(self, section: Any, root: Path) -> tuple[str, ...]:
        """The columns of what a spec has as `data.source`; none for what is not known yet.

        No connection is opened: a source of anything but local files has none.
        """
        source = _source(section)
        if source is None:
            return ()
        key = canonical_json([str(root), section])
        stamp = tuple(_stamps(source, root))
        if key in self._known and self._known[key][0] == stamp:
            return self._known[key][1]
        reader = self._reading.get(key)
        if reader is None or not reader.is_alive():
            reader = threading.Thread(
                target=self._read, args=(key, stamp, source, root), daemon=True
            )
            self._reading[key] = reader
            reader.start()
        reader.join(PATIENCE)
        return self._known.get(key, ((), ()))[1]

    def _read(self, key: str, stamp: tuple[Any, ...], source: FileSource, root: Path) -> None:
        try:
            columns = tuple(_columns(source, root))
        except Exception:  # noqa: BLE001 - fetch tells what is wrong with the file, or not installed
            columns = ()
        self._known[key] = (stamp, columns)


def _source(section: Any) -> FileSource | None:
    kind = section.get("type") if isinstance(section, dict) else None
    if not isinstance(kind, str) or kind not in SOURCES:
        return None
    try:
        source: Source = SOURCES[kind].model_validate(section)
    except ValidationError:
        return None
    return source if isinstance(source, FileSource) else None


def _files(source: FileSource, root: Path) -> Iterator[Path]:
    """The first file of each split."""
    for split in source.given_splits():
        for name in source.names(root, split):
            yield root / name
            break


def _stamps(source: FileSource, root: Path) -> Iterator[Any]:
    try:
        for file in _files(source, root):
            status = file.stat()
            yield (str(file), status.st_mtime_ns, status.st_size)
    except (BertspecError, OSError) as error:
        yield str(error)


def _columns(source: FileSource, root: Path) -> Iterator[str]:
    """The columns of the first rows of the first file."""
    for file in _files(source, root):
        by_parts = isinstance(source, TextSource) or source.type in _BY_PARTS
        if not by_parts and file.stat().st_size > MOST_BYTES:
            return
        for piece in source.read_file(file, file.name):
            yield from piece.read(1).column_names
            return
