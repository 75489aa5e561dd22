"""Test rows with their texts, as the page's browser of rows lists them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import ID_COLUMN, TEXT_FIELDS, Task
from bertspec.catalog.telling import Told
from bertspec.pipeline.params.where import Where
from bertspec.runtime.statistics import slices

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN = 200
"""Rows in a browser: enough to read, and a page that a phone opens."""

LETTERS = 2000
"""Of a text that are shown."""


Judged = tuple[Task, "pa.Table"]
"""A predictions table, and the task that it is of, which alone can read it."""


@dataclass(frozen=True)
class Said:
    """What a model predicts for a row."""

    model: str
    told: Told
    right: bool | None
    """None for a task whose predictions are more or less near."""


@dataclass(frozen=True)
class ShownRow:
    """One row of a browser."""

    file: str
    row: int
    texts: Sequence[str]
    cut: int
    """Letters of the texts that are left out."""
    said: Sequence[Said]
    kinds: Mapping[str, Sequence[str]]
    """By name of a filter the values that find this row."""

    @property
    def gold(self) -> Sequence[tuple[str, str]] | None:
        """What is right, see `Told`; None where it is told of each model in other words, such as
        with the probability that it gave.
        """
        first, *others = (said.told.gold for said in self.said)
        return first if all(gold == first for gold in others) else None


@dataclass(frozen=True)
class Browser:
    """Rows, and what they can be filtered by."""

    rows: Sequence[ShownRow]
    total: int
    """Rows that there are, of which `rows` are the first."""
    filters: Mapping[str, Sequence[str]]
    """Values of each filter, in their order; those of which there is a choice."""
    targets: bool
    """Whether the task has something that is right for a row, be it nothing."""


def furthest(faults: "np.ndarray") -> "np.ndarray":
    """Numbers of the rows that are not right, those to look at first at the beginning."""
    import numpy as np

    order = np.argsort(-faults, kind="stable")
    found: np.ndarray = order[faults[order] > 0]
    return found


def browser(
    sides: Mapping[str, Judged],
    numbers: Sequence[int],
    prepared: "pa.Table",
    wanted: Mapping[str, Where],
    changes: Sequence[str] = (),
    total: int | None = None,
) -> Browser:
    """The rows of these numbers of predictions tables, of models by name, which have the same rows.

    `prepared` has the texts of all of them, and `wanted` are slices of it. `changes` says what
    became of each of `numbers`, and `total` how many rows there are where these are not all.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    shown = pa.array(numbers[:SHOWN], pa.int64())
    tables = {name: (task, table.take(shown)) for name, (task, table) in sides.items()}
    judged = [(name, task, t.to_pylist(), _right(task, t)) for name, (task, t) in tables.items()]
    _, first = next(iter(tables.values()))
    ids = first[ID_COLUMN].combine_chunks()
    places = pc.index_in(ids, prepared[ID_COLUMN].combine_chunks())
    texts = prepared.take(places).to_pylist()
    of_slices = _slices_of(prepared, wanted, places.to_pylist())
    rows = []
    for i, text in enumerate(texts):
        said = [Said(n, task.told(table[i] | text), right[i]) for n, task, table, right in judged]
        kinds = {
            "actual": _labels(item for each in said for item in each.told.gold),
            "predicted": _labels(item for each in said for item in each.told.said),
            "slice": of_slices[i],
            "change": [changes[i]] if changes else [],
        }
        whole = [shown_text(text[f]) for f in TEXT_FIELDS if text.get(f) is not None]
        cut = sum(max(0, len(t) - LETTERS) for t in whole)
        short = [t[:LETTERS] for t in whole]
        rows.append(ShownRow(text["file"], text["row"], short, cut, said, kinds))
    tasks = [task for task, _ in sides.values()]
    targets = bool(tasks[0].target_columns)
    return Browser(rows, total or len(numbers), _filters(tasks, rows), targets)


def _right(task: Task, table: "pa.Table") -> Sequence[bool | None]:
    """Of each row whether it is right: of an exact task a row's fault is its own alone."""
    if not task.exact:
        return [None] * len(table)
    found: list[bool | None] = (task.faults(table) == 0).tolist()
    return found


def shown_text(value: Any) -> str:
    """A field of a row: choices stand in lines of their own, words of a text in one."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def _labels(items: Iterable[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(label for label, _ in items if label))


def _filters(tasks: Sequence[Task], rows: Sequence[ShownRow]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    known = dict.fromkeys(n for task in tasks for n in task.known_labels() or task.classes())
    for name in ("change", "actual", "predicted", "slice"):
        values = dict.fromkeys(value for row in rows for value in row.kinds[name])
        order = [label for label in known if label in values]
        if name == "change":
            order = list(values)  # as they come
        elif name == "slice":
            order = sorted(values)
        if len(order) > 1:
            found[name] = order
    return found


def _slices_of(
    prepared: "pa.Table", wanted: Mapping[str, Where], places: Sequence[int]
) -> list[list[str]]:
    """Names of the slices that each of some prepared rows is in."""
    found: list[list[str]] = [[] for _ in places]
    for name, members in slices(prepared, wanted).items():
        inside = set(members.tolist())
        for names, place in zip(found, places, strict=True):
            if place in inside:
                names.append(name)
    return found
