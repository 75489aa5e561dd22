"""E126: a data set's name stands for one data set."""

from collections.abc import Iterator, Sequence

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(specs: Sequence[LoadedSpec]) -> Iterator[Diagnostic]:
    first: dict[str, LoadedSpec] = {}
    for loaded in specs:
        other = first.setdefault(loaded.dataset_name, loaded)
        for section in ("source", "columns", "split"):
            mine, theirs = getattr(loaded.spec.data, section), getattr(other.spec.data, section)
            if mine == theirs:
                continue
            field = _first_difference(mine.model_dump(), theirs.model_dump())
            path = ("data", section, *field)
            where = other.document.position(path)
            yield finding(
                "E126",
                loaded,
                path,
                f"data set `{loaded.dataset_name}` has another `{'.'.join(path[1:])}` in {where}",
                "give one of them another `data.name`, or make them equal",
            )


def _first_difference(mine: dict[str, object], theirs: dict[str, object]) -> tuple[str, ...]:
    if mine.get("type") != theirs.get("type"):
        return ("type",)
    return (next(key for key in mine if mine[key] != theirs.get(key)),)
