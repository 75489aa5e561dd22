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


@dataclass(frozen=True)
class ShownRow:
    """One row of a browser."""

    file: str
    row: int
    texts: Sequence[str]
    cut: int
    """Letters of the texts that are left out."""
    gold: Sequence[tuple[str, str]]
    """Label and text of what is right, see `Told`."""
    said: Sequence[tuple[str, Told]]
    """What each model predicts, by its name."""
    kinds: Mapping[str, Sequence[str]]
    """By name of a filter the values that find this row."""


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
    task: Task,
    sides: "Mapping[str, pa.Table]",
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
    tables = {name: table.take(shown).to_pylist() for name, table in sides.items()}
    ids = next(iter(sides.values()))[ID_COLUMN].combine_chunks().take(shown)
    places = pc.index_in(ids, prepared[ID_COLUMN].combine_chunks())
    texts = prepared.take(places).to_pylist()
    of_slices = _slices_of(prepared, wanted, places.to_pylist())
    rows = []
    for i, text in enumerate(texts):
        told = [(name, task.told(table[i] | text)) for name, table in tables.items()]
        kinds = {
            "actual": _labels(told[0][1].gold),
            "predicted": _labels(item for _, each in told for item in each.said),
            "slice": of_slices[i],
            "change": [changes[i]] if changes else [],
        }
        whole = [shown_text(text[f]) for f in TEXT_FIELDS if text.get(f) is not None]
        cut = sum(max(0, len(t) - LETTERS) for t in whole)
        short = [t[:LETTERS] for t in whole]
        rows.append(ShownRow(text["file"], text["row"], short, cut, told[0][1].gold, told, kinds))
    return Browser(rows, total or len(numbers), _filters(task, rows), bool(task.target_columns))


def shown_text(value: Any) -> str:
    """A field of a row: choices stand in lines of their own, words of a text in one."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def _labels(items: Iterable[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(label for label, _ in items if label))


def _filters(task: Task, rows: Sequence[ShownRow]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    known = task.known_labels() or task.classes()
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
