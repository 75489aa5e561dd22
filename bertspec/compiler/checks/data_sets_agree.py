"""E126: a data set's name stands for one data set."""

from collections.abc import Iterator, Sequence

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.model import Model
from bertspec.spec.load import LoadedSpec
from bertspec.spec.sections import DataSet


def check(specs: Sequence[LoadedSpec]) -> Iterator[Diagnostic]:
    first: dict[str, LoadedSpec] = {}
    for loaded in specs:
        other = first.setdefault(loaded.dataset_name, loaded)
        for section in (f for f in DataSet.model_fields if f not in ("name", "description")):
            mine, theirs = getattr(loaded.spec.data, section), getattr(other.spec.data, section)
            if mine == theirs:
                continue
            path = ("data", section, *_first_difference(mine, theirs))
            where = other.document.position(path)
            yield finding(
                "E126",
                loaded,
                path,
                f"data set `{loaded.dataset_name}` has another `{'.'.join(path[1:])}` in {where}",
                "give one of them another `data.name`, or make them equal",
            )


def _first_difference(mine: object, theirs: object) -> tuple[str, ...]:
    """The first field in which two sections differ; none for a list."""
    if not (isinstance(mine, Model) and isinstance(theirs, Model)):
        return ()
    if type(mine) is not type(theirs):
        return ("type",)
    return (next(key for key, value in mine if value != getattr(theirs, key)),)
