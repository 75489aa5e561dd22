"""Rows of the data sets of two sides, read where they lie or taken from DVC."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bertspec.core.errors import InputError, reason
from bertspec.diffing.side import Side
from bertspec.pipeline import layout
from bertspec.planning.hashes import Hashes
from bertspec.runtime.comparing.rows import Rows, compare_rows


@dataclass(frozen=True)
class DataChange:
    """A data set whose prepared rows are not the same on both sides."""

    names: tuple[str, str]
    specs: tuple[str, ...]
    """Those of the second side that read it."""
    digests: tuple[str | None, str | None]
    """DVC's of the prepared rows; None for rows that were not built."""
    rows: Rows | None
    """None where they cannot be compared."""
    missing: tuple[str, ...]
    """Why not."""

    @property
    def differs(self) -> bool:
        """Whether it is known that the rows, their order or their files are not the same."""
        return None not in self.digests


@dataclass
class Data:
    """Finds the rows of data sets."""

    folder: Path
    """For what DVC gives."""
    hashes: Hashes
    """Of the project here."""
    examples: int
    with_rows: bool = True
    """Without, it is told that rows differ, and not which: for who may ask DVC for nothing."""
    _places: dict[tuple[str, str], Path | str] = field(default_factory=dict)

    def changes(
        self, old: Side, new: Side, pairs: Mapping[tuple[str, str], tuple[str, ...]]
    ) -> Iterator[DataChange]:
        """`pairs` are names of data sets before and after, with the specs that read them."""
        for (one, other), specs in pairs.items():
            digests = (self._digest(old, one), self._digest(new, other))
            if digests[0] == digests[1]:  # the same, or built on neither side
                continue
            rows: Rows | None = None
            missing = tuple(
                f"{layout.prepared(name)} was not built {side.place}"
                for side, name, digest in zip((old, new), (one, other), digests, strict=True)
                if digest is None
            )
            if not missing and not self.with_rows:
                missing = ("`bertspec diff` compares the rows",)
            elif not missing:  # DVC is asked only for what will be used
                rows, missing = self._rows(self._place(old, one), self._place(new, other))
            yield DataChange((one, other), specs, digests, rows, missing)

    def _rows(self, first: Path | str, second: Path | str) -> tuple[Rows | None, tuple[str, ...]]:
        """What differs, or why that cannot be said."""
        if isinstance(first, str) or isinstance(second, str):
            return None, tuple(place for place in (first, second) if isinstance(place, str))
        try:
            return compare_rows(first, second, self.examples), ()
        except (InputError, OSError, ValueError) as error:  # pyarrow's are ValueErrors
            return None, (f"the rows cannot be read: {reason(error)}",)

    def _digest(self, side: Side, name: str) -> str | None:
        """DVC's digest of the prepared rows."""
        path = layout.prepared(name)
        here = self.hashes.of(path) if side.revision is None else None
        stage = side.built.get(f"{name}-prepare")
        return here or (stage.outs.get(path) if stage else None)

    def _place(self, side: Side, name: str) -> Path | str:
        """Where the rows lie, or why they do not."""
        if (side.title, name) not in self._places:
            self._places[side.title, name] = self._find(side, name)
        return self._places[side.title, name]

    def _find(self, side: Side, name: str) -> Path | str:
        path = layout.prepared(name)
        if side.revision is None:
            place = side.root / path
            missing = f"{path} is missing here: `dvc repro` builds it, `dvc pull` fetches it"
            return place if place.is_dir() else missing
        try:
            target = self.folder / side.revision.commit / name
            side.revision.get(path, target)
        except InputError as error:
            return str(error)
        return target
