"""Every number of metrics.json, before and after."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bertspec.core.values import Place, flat
from bertspec.diffing.side import Side
from bertspec.pipeline import layout

SPLITS = ("test", "validation", "train")
"""Those of metrics.json, with what counts first."""


@dataclass(frozen=True)
class MetricChange:
    """One number; None where a side has none."""

    path: Place
    """In metrics.json, such as `test` and `f1`."""
    old: float | None
    new: float | None

    @property
    def difference(self) -> float | None:
        return None if self.old is None or self.new is None else self.new - self.old


def read_metrics(side: Side, name: str) -> Mapping[Place, float] | None:
    """The numbers of a side; None where it has no metrics.json that can be read."""
    try:
        return numbers_of((side.root / layout.metrics(name)).read_bytes())
    except OSError:
        return None


def numbers_of(text: str | bytes) -> Mapping[Place, float] | None:
    """The numbers of a metrics.json; None where it cannot be read."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return {
        path: value
        for path, value in flat(content)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def worth_telling(changes: Iterable[MetricChange]) -> Iterator[MetricChange]:
    """Those of the splits, and of all others what has changed."""
    for change in changes:
        if change.old != change.new or change.path[0] in SPLITS:
            yield change


def metric_changes(
    old: Mapping[Place, float], new: Mapping[Place, float], headline: str
) -> Iterator[MetricChange]:
    """Each number of both, also where it is the same: splits first, the headline first in each."""

    def place(path: Place) -> tuple[int, bool]:
        split = SPLITS.index(str(path[0])) if path and path[0] in SPLITS else len(SPLITS)
        return split, path[1:] != (headline,)

    for path in sorted(dict.fromkeys([*old, *new]), key=place):  # else as the file has them
        yield MetricChange(path, old.get(path), new.get(path))
