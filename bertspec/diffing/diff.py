"""Compare two sides: specs, locks, rows, metrics."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bertspec.diffing.data import Data, DataChange
from bertspec.diffing.fields import FieldChange, field_changes
from bertspec.diffing.locked import LockedChange, locked_changes
from bertspec.diffing.metrics import MetricChange, metric_changes, read_metrics
from bertspec.diffing.side import Side, read_here, read_revision
from bertspec.diffing.wanted import Wanted
from bertspec.pipeline import layout
from bertspec.planning.hashes import Hashes
from bertspec.spec.load import Loaded


@dataclass(frozen=True)
class SpecChange:
    """What differs between two specs."""

    names: tuple[str, str]
    fields: tuple[FieldChange, ...]
    locked: tuple[LockedChange, ...]
    metrics: tuple[MetricChange, ...]
    """All of both, if one of them differs."""
    notes: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return bool(self.fields or self.locked or self.metrics)


@dataclass(frozen=True)
class Diff:
    """All that differs."""

    titles: tuple[str, str]
    commits: tuple[str | None, str | None]
    """None for the files here."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    """Specs that only one side has, where all are compared."""
    specs: tuple[SpecChange, ...]
    """Those that differ, or of which something could not be compared."""
    data: tuple[DataChange, ...]
    notes: tuple[str, ...]

    @property
    def differs(self) -> bool:
        specs = any(spec.differs for spec in self.specs)
        return bool(self.added or self.removed or specs or any(d.differs for d in self.data))


def diff(
    wanted: tuple[Wanted, Wanted],
    root: Path,
    here: Loaded,
    folder: Path,
    *,
    with_rows: bool = True,
) -> Diff:
    """Compare two sides; what is needed of revisions goes into the empty `folder`.

    Rows of data sets, for which DVC may be asked, only `with_rows`.
    Raises InputError for what cannot be read of the specs, see `read_here` and `read_revision`.
    """
    sides = sides_of(wanted, root, here, folder)
    return diff_sides(wanted, sides, root, folder, with_rows=with_rows)


def sides_of(
    wanted: tuple[Wanted, Wanted], root: Path, here: Loaded, folder: Path
) -> tuple[Side, Side]:
    """Both sides, read; revisions are written to the empty `folder`. Raises as `diff` does."""
    sides: dict[str | None, Side] = {}
    for each in wanted:
        if each.commit not in sides:
            sides[each.commit] = (
                read_revision(each.revision, folder / each.revision.commit)
                if each.revision
                else read_here(root, here)
            )
    old, new = (sides[each.commit] for each in wanted)
    return old, new


def diff_sides(
    wanted: tuple[Wanted, Wanted],
    sides: tuple[Side, Side],
    root: Path,
    folder: Path,
    *,
    with_rows: bool = True,
) -> Diff:
    """The same of sides that are read. Raises InputError (E204) for a spec that one has not."""
    old, new = sides
    one, other = (each.name for each in wanted)
    whole = one is None or other is None
    if one is None or other is None:
        pairs = [(name, name) for name in sorted(old.specs.keys() & new.specs.keys())]
    else:
        pairs = [(one, other)]
    specs = [_spec_change(old, a, new, b) for a, b in pairs]
    data = Data(folder / "data", Hashes(root), examples=3, with_rows=with_rows)
    return Diff(
        titles=(wanted[0].title, wanted[1].title),
        commits=(wanted[0].commit, wanted[1].commit),
        added=tuple(sorted(new.specs.keys() - old.specs.keys())) if whole else (),
        removed=tuple(sorted(old.specs.keys() - new.specs.keys())) if whole else (),
        specs=tuple(spec for spec in specs if spec.differs or spec.notes),
        data=tuple(data.changes(old, new, _data_sets(old, new, pairs))),
        notes=tuple(dict.fromkeys([*old.notes, *new.notes])),
    )


def _data_sets(
    old: Side, new: Side, pairs: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Names of data sets before and after, with the specs of the second side that read them."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for one, other in pairs:
        names = (old.spec(one).loaded.dataset_name, new.spec(other).loaded.dataset_name)
        found[names] = (*found.get(names, ()), other)
    return found


def _spec_change(old: Side, name: str, new: Side, other: str) -> SpecChange:
    fields = tuple(field_changes(old, name, new, other))
    numbers = read_metrics(old, name), read_metrics(new, other)
    notes = [
        f"{layout.metrics(each)} is not {side.place}"
        for side, each, found in zip((old, new), (name, other), numbers, strict=True)
        if found is None and numbers != (None, None)
    ]
    notes += [*_stale(old, name), *_stale(new, other)]
    changes: tuple[MetricChange, ...] = ()
    if numbers[0] is not None and numbers[1] is not None and numbers[0] != numbers[1]:
        headline = new.spec(other).pinned.task.headline
        changes = tuple(metric_changes(numbers[0], numbers[1], headline))
    locked = tuple(locked_changes(old, name, new, other))
    return SpecChange((name, other), fields, locked, changes, tuple(dict.fromkeys(notes)))


def _stale(side: Side, name: str) -> Iterator[str]:
    """What here is not built from what stands here, of what is compared."""
    data = side.spec(name).loaded.dataset_name
    prepare = f"{data}-prepare"
    if prepare in side.built and side.stale & {f"{data}-fetch", prepare}:
        yield f"the rows of {data} here are older than what stands here: `dvc repro`"
    evaluate = f"{name}-evaluate"
    if evaluate in side.built and evaluate in side.stale:
        yield f"the metrics of {name} here are older than what stands here: `dvc repro`"
