"""In which order DVC comes to stages, and which of them make what a stage reads."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from bertspec.core.errors import InputError
from bertspec.pipeline.layout import DVC_FILE
from bertspec.planning.entry import Entry

Makers = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Stage -> path that it reads -> stages that make it, or a part of it, or what it is a part of."""


def makers_of(entries: Iterable[Entry]) -> Makers:
    entries = list(entries)
    made = {entry.place(out.path): entry.name for entry in entries for out in entry.outs}
    paths = sorted(made)

    def makers(place: str) -> tuple[str, ...]:
        if place in made:
            return (made[place],)
        parts = place.split("/")
        around = [p for end in range(1, len(parts)) if (p := "/".join(parts[:end])) in made]
        inside = paths[bisect_left(paths, place + "/") : bisect_left(paths, place + "0")]
        return tuple(dict.fromkeys(made[path] for path in [*around, *inside]))

    return {e.name: {dep: makers(e.place(dep)) for dep in e.deps} for e in entries}


def in_order(entries: Mapping[str, Entry], makers: Makers) -> list[str]:
    """Names of stages, those before that make what others read; else as they stand.

    Raises InputError (E209) for stages that go in a circle.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in entries:
        sorter.add(name, *{maker for found in makers[name].values() for maker in found})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise InputError.of(
            "E209", f"stages of {DVC_FILE} go in a circle: {circle}", "break it"
        ) from None
