"""Two revisions side by side: what `bertspec diff` finds, and no row of data is asked for."""

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bertspec.core.values import ABSENT, bare, dotted, shown
from bertspec.diffing.diff import Diff, SpecChange, diff
from bertspec.diffing.report import entry_name, places_of
from bertspec.diffing.wanted import Wanted
from bertspec.runtime.revision import Revision
from bertspec.spec.load import Loaded
from bertspec.ui.usable import usable_specs


@dataclass(frozen=True)
class Change:
    """A field or an entry of the lock, before and after."""

    name: str
    old: str
    new: str
    stages: tuple[str, ...]
    """Kinds of stage that run again, and with them all that follow."""
    places: str


class Comparing:
    """Compares, and remembers what was found for two commits."""

    def __init__(self, root: Path, folder: Path | None) -> None:
        """Files of revisions lie in `folder` for a while, by default the system's own."""
        self._root = root
        self._folder = folder
        self._of_commits = lru_cache(maxsize=64)(self._compare)

    def of(self, old: str, new: str, name: str | None) -> Diff:
        """Two revisions, of which an empty one is what is here; of all specs, or of one.

        Raises InputError for what git does not know, and what cannot be read of its specs.
        """
        sides = (self._wanted(old, name), self._wanted(new, name))
        if all(side.revision for side in sides):
            return self._of_commits(*sides)
        return self._compare(*sides)

    def _wanted(self, revision: str, name: str | None) -> Wanted:
        return Wanted(name, Revision.of(self._root, revision) if revision else None)

    def _compare(self, old: Wanted, new: Wanted) -> Diff:
        here = Loaded((), (), ())
        if not (old.revision and new.revision):
            here = Loaded(usable_specs(self._root).specs, (), ())
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            return diff((old, new), self._root, here, Path(folder), with_rows=False)


def changes_of(spec: SpecChange, titles: tuple[str, str]) -> list[Change]:
    """What has changed in a spec and its lock, what changes results first."""
    found = [
        Change(dotted(f.path), _text(f.old), _text(f.new), f.stages, places_of(f, titles))
        for f in spec.fields
    ]
    found += [
        Change(entry_name(e), bare(e.old), bare(e.new), e.stages, places_of(e, titles))
        for e in spec.locked
    ]
    return sorted(found, key=lambda change: not change.stages)


def _text(value: Any) -> str:
    return "" if value is ABSENT else shown(value)
