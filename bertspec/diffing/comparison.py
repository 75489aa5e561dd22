"""The comparison report: two models side by side, as an HTML page."""

from collections.abc import Mapping
from typing import Any

from bertspec.diffing.beside import Beside
from bertspec.diffing.diff import SpecChange
from bertspec.diffing.report import Line, data_lines, field_line, locked_line
from bertspec.runtime.comparing.paired import Difference
from bertspec.runtime.reporting.page import render_page


def as_page(found: Beside) -> str:
    """One file that needs no other."""
    return render_page("comparison.html", **content(found))


def content(found: Beside) -> Mapping[str, Any]:
    """What the template shows, by name."""
    (spec, *_) = [*found.diff.specs, None]
    one, other = found.names
    return {
        "found": found,
        "one": one,
        "other": other,
        "headline": headline(found),
        "result_changes": changes(spec, found.diff.titles, rebuild=True),
        "other_changes": changes(spec, found.diff.titles, rebuild=False),
        "data": [line for data in found.diff.data for line in data_lines(data)],
        "groups": [
            (title, _shared(found.parts[key])) for key, title in _PARTS if key in found.parts
        ],
        "notes": [*found.notes, *(spec.notes if spec else ())],
    }


_PARTS = (("classes", "Test by class"), ("slices", "Test by slice"))


def headline(found: Beside) -> Difference | None:
    """Of the metric that counts; None where these rows do not define it."""
    name = found.sides[0].task.headline
    return next((d for d in found.compared.differences if d.metric == name), None)


def changes(spec: SpecChange | None, titles: tuple[str, str], *, rebuild: bool) -> list[Line]:
    """What differs between the specs and locks: what changes results, or what does not."""
    if spec is None:
        return []
    fields = [field_line(f, titles) for f in spec.fields if bool(f.stages) is rebuild]
    locked = [locked_line(e, titles) for e in spec.locked if bool(e.stages) is rebuild]
    return fields + locked


def _shared(rows: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], Mapping[str, Any]]:
    """Names of columns, and rows."""
    return list(dict.fromkeys(name for row in rows.values() for name in row)), rows
