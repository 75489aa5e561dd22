"""What differs, as text to read and as plain values for machines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bertspec.core.diagnostics import Position
from bertspec.core.terminal import one_line, printable, shortened
from bertspec.core.values import bare, dotted, plain, shown
from bertspec.diffing.data import DataChange
from bertspec.diffing.diff import Diff, SpecChange
from bertspec.diffing.fields import FieldChange
from bertspec.diffing.locked import LockedChange
from bertspec.diffing.metrics import MetricChange, worth_telling
from bertspec.planning.text import plain_place
from bertspec.runtime.comparing.rows import KINDS, Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


_SMALL = 1e-4
"""Below it a difference is told by its order."""


def as_json(found: Diff) -> dict[str, Any]:
    """All of it by name; docs/diff.md says what each key is."""
    return {
        "first": {"title": found.titles[0], "commit": found.commits[0]},
        "second": {"title": found.titles[1], "commit": found.commits[1]},
        "differs": found.differs,
        "added": list(found.added),
        "removed": list(found.removed),
        "specs": [_plain_spec(spec) for spec in found.specs],
        "data": [_plain_data(data) for data in found.data],
        "notes": list(found.notes),
    }


def show(found: Diff, console: "Console") -> None:
    """For people."""
    for part in _parts(found):
        console.print(part, soft_wrap=isinstance(part, str))


def _parts(found: Diff) -> "Iterator[str | Table]":
    yield printable(f"{_named(found, 0)} -> {_named(found, 1)}")
    for title, names in (("new", found.added), ("gone", found.removed)):
        if names:
            yield f"{title}: {', '.join(names)}"
    for spec in found.specs:
        yield ""
        yield from _spec(spec, found.titles)
    for data in found.data:
        yield ""
        yield from map(printable, data_lines(data))
    if found.notes:
        yield ""
    yield from (printable(f"note: {note}") for note in found.notes)
    if not found.differs:
        yield "nothing differs"


def _named(found: Diff, side: int) -> str:
    commit = found.commits[side]
    return found.titles[side] if commit is None else f"{found.titles[side]} ({commit[:10]})"


def _spec(spec: SpecChange, titles: tuple[str, str]) -> "Iterator[str | Table]":
    one, other = spec.names
    yield one if one == other else f"{one} -> {other}"
    rows = [field_line(field, titles) for field in spec.fields if field.stages]
    rows += [locked_line(entry, titles) for entry in spec.locked if entry.stages]
    if rows:
        yield "  changes results; these stages run again, and what follows them:"
        yield from _aligned(rows)
    rows = [field_line(field, titles) for field in spec.fields if not field.stages]
    rows += [locked_line(entry, titles) for entry in spec.locked if not entry.stages]
    if rows:
        yield "  rebuilds nothing:"
        yield from _aligned(rows)
    if spec.metrics:
        yield _metrics(spec.metrics, titles)
        words = [
            name if title == "here" else f"{name}@{title}"
            for name, title in zip(spec.names, titles, strict=True)
        ]
        yield f"  whether that is more than chance: `bertspec compare {' '.join(words)}`"
    yield from (printable(f"  note: {note}") for note in spec.notes)


Line = tuple[str, str, str]
"""What has changed, which stages run again, and where it stands."""


def field_line(field: FieldChange, titles: tuple[str, str]) -> Line:
    change = f"{dotted(field.path)} {shown(field.old)} -> {shown(field.new)}"
    return change, ", ".join(field.stages), places_of(field, titles)


def locked_line(entry: LockedChange, titles: tuple[str, str]) -> Line:
    change = f"{entry_name(entry)} {bare(entry.old)} -> {bare(entry.new)}"
    return change, ", ".join(entry.stages), places_of(entry, titles)


def entry_name(entry: LockedChange) -> str:
    """What of the lock has changed."""
    return f"version of stage {entry.name}" if entry.what == "version" else entry.name


def places_of(change: FieldChange | LockedChange, titles: tuple[str, str]) -> str:
    """Where it stands before and after, of revisions with their names."""
    places = (change.old_position, change.new_position)
    named = [
        str(place) if title == "here" else f"{title}:{place}"
        for place, title in zip(places, titles, strict=True)
        if place is not None
    ]
    return " -> ".join(named)


def _aligned(rows: Sequence[Line]) -> Iterator[str]:
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    for change, stages, places in rows:
        again = f"{stages:{second}}  " if second else ""
        yield printable(f"    {change:{first}}  {again}{places}").rstrip()


def _metrics(metrics: Iterable[MetricChange], titles: tuple[str, str]) -> "Table":
    from rich.table import Table

    table = Table("metric", *map(printable, titles), "difference")
    for metric in worth_telling(metrics):
        name = printable(".".join(map(str, metric.path)))
        difference = difference_text(metric.difference)
        table.add_row(name, number_text(metric.old), number_text(metric.new), difference)
    return table


def number_text(value: float | None) -> str:
    """A metric, or a count as a whole number."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def difference_text(value: float | None) -> str:
    """Empty for none at all, and never zero for a small one."""
    if value is None:
        return "-"
    return f"{value:+.4f}" if abs(value) >= _SMALL else f"{value:+.0e}" if value else ""


def data_lines(data: DataChange) -> Iterator[str]:
    one, other = data.names
    title = one if one == other else f"{one} -> {other}"
    if data.rows is None:
        yield f"rows of {title} cannot be compared"
        yield from (f"  {reason}" for reason in data.missing)
        return
    sizes = [
        f"{split} {count:,}" + (f" -> {now:,}" if (now := data.rows.after[split]) != count else "")
        for split, count in data.rows.before.items()
    ]
    yield f"rows of {title}: {', '.join(sizes)}"
    if not data.rows.changes:
        yield "  the same rows, in another order or from other files"
    for kind, found in data.rows.changes.items():
        yield f"  {found.count:,} {kind}: {KINDS[kind]}"
        for before, after in found.examples:
            yield f"    {_example(kind, before, after)}"
        if (more := found.count - len(found.examples)) > 0:
            yield f"    and {more:,} more"


def _example(kind: str, before: Row | None, after: Row | None) -> str:
    row = after or before
    assert row is not None  # noqa: S101 - for mypy: an example has one of both
    place = f"{one_line(row.file)} row {row.row:,}, {row.split}"
    text = shortened(one_line(row.text))
    if before is None or after is None:
        return f"{place}: {_target(row)}{text}"
    if kind == "moved":
        return f"{place}, was in {before.split}: {text}"
    if kind == "relabelled":
        return f"{place}: {shown(before.target)} -> {shown(after.target)}  {text}"
    if kind == "edited":
        return f"{place}: {shortened(one_line(before.text))} -> {text}"
    return f"{place}: {text}"


def _target(row: Row) -> str:
    return "" if row.target is None else f"{shown(row.target)}  "


def _plain_spec(spec: SpecChange) -> dict[str, Any]:
    return {
        "names": list(spec.names),
        "fields": [
            {
                "field": dotted(field.path),
                "stages": list(field.stages),
                "old": plain(field.old),
                "new": plain(field.new),
                "places": _plain_places(field.old_position, field.new_position),
            }
            for field in spec.fields
        ],
        "locked": [
            {
                "what": entry.what,
                "name": entry.name,
                "stages": list(entry.stages),
                "old": plain(entry.old),
                "new": plain(entry.new),
                "places": _plain_places(entry.old_position, entry.new_position),
            }
            for entry in spec.locked
        ],
        "metrics": [
            {
                "path": list(metric.path),
                "old": metric.old,
                "new": metric.new,
                "difference": metric.difference,
            }
            for metric in spec.metrics
        ],
        "notes": list(spec.notes),
    }


def _plain_places(*positions: Position | None) -> list[dict[str, Any] | None]:
    return [plain_place(position) for position in positions]


def _plain_data(data: DataChange) -> dict[str, Any]:
    rows = data.rows
    return {
        "names": list(data.names),
        "specs": list(data.specs),
        "differs": data.differs,
        "missing": list(data.missing),
        "rows": rows
        and {
            "before": dict(rows.before),
            "after": dict(rows.after),
            "changes": {
                kind: {
                    "count": found.count,
                    "examples": [
                        {"before": _plain_row(before), "after": _plain_row(after)}
                        for before, after in found.examples
                    ],
                }
                for kind, found in rows.changes.items()
            },
        },
    }


def _plain_row(row: Row | None) -> dict[str, Any] | None:
    return None if row is None else asdict(row)
