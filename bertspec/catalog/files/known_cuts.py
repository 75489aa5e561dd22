"""Where an earlier run cut its files: what is still the same need not be looked through again."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

HEAD = 1 << 12
"""Bytes by which a chunk is looked up, before its digest says whether it is the same."""


@dataclass(frozen=True)
class KnownChunk:
    """What can be said of a chunk without its bytes."""

    length: int
    lines: int
    """Line feeds in it."""
    sha256: str


@dataclass(frozen=True)
class KnownCuts:
    """Chunks that ended where their own content asked for it: they end there in every file."""

    earlier: Mapping[str, KnownChunk] = field(default_factory=dict)
    """Those of an earlier run."""
    found: dict[str, KnownChunk] = field(default_factory=dict)
    """Those of this one."""
    reader: str = ""
    """Says which sources cut alike."""

    def of(self, reader: str) -> "KnownCuts":
        """The same cuts, as far as they are of sources that cut as this one."""
        return replace(self, reader=reader)

    def following(self, data: memoryview) -> Iterator[KnownChunk]:
        """The chunks of the earlier run that `data` begins with, one after another."""
        from concurrent.futures import ThreadPoolExecutor

        likely: list[tuple[memoryview, KnownChunk]] = []
        start = 0
        while self.earlier and start < len(data):
            chunk = self.earlier.get(self._key(data[start:]))
            if chunk is None or chunk.length > len(data) - start:
                break
            likely.append((data[start : start + chunk.length], chunk))
            start += chunk.length
        with ThreadPoolExecutor() as threads:  # hashing leaves Python's lock
            for same, (_, chunk) in zip(threads.map(_is_same, likely), likely, strict=True):
                if not same:
                    return
                yield chunk

    def keep(self, data: memoryview, chunk: KnownChunk) -> None:
        self.found[self._key(data)] = chunk

    def _key(self, data: memoryview) -> str:
        return f"{self.reader}-{hashlib.sha256(data[:HEAD]).hexdigest()}"


def _is_same(likely: tuple[memoryview, KnownChunk]) -> bool:
    data, chunk = likely
    return hashlib.sha256(data).hexdigest() == chunk.sha256
