"""Test rows that one of two models has right and the other wrong, or further off, with texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertspec.catalog.task import ID_COLUMN
from bertspec.core.errors import InputError, reason
from bertspec.diffing.model import ComparedModel
from bertspec.runtime.comparing.side import Side
from bertspec.runtime.reporting.mistakes import SHOWN, Browser, Judged, browser
from bertspec.runtime.shards import read_split

if TYPE_CHECKING:
    import pyarrow as pa

WORDS = {True: ("now wrong", "now right"), False: ("further off", "nearer")}
"""For a task whose predictions are right or wrong, and for another."""


@dataclass(frozen=True)
class ChangedRows:
    """How many rows changed which way, and those that are shown."""

    exact: bool
    worse: int
    better: int
    browser: Browser | None
    """None where the texts are not to be had."""
    notes: Sequence[str]

    @property
    def words(self) -> tuple[str, str]:
        return WORDS[self.exact]


def changed_rows(
    judged: Mapping[str, Judged],
    sides: tuple[Side, Side],
    models: Sequence[ComparedModel],
) -> ChangedRows:
    """Of predictions tables of the same rows, by model. Each is read by its own task: tags of
    another scheme are other tags.
    """
    import numpy as np

    before, after = (task.faults(table) for task, table in judged.values())
    exact = all(task.exact for task, _ in judged.values())
    if exact:
        worse = np.flatnonzero((before == 0) & (after > 0))
        better = np.flatnonzero((before > 0) & (after == 0))
    else:
        worse, better = np.flatnonzero(after > before), np.flatnonzero(after < before)
    far = np.abs(after - before)
    worse, better = (part[np.argsort(-far[part], kind="stable")] for part in (worse, better))
    # Half of what is shown for each, or more where the other has fewer.
    half = SHOWN // 2
    first = worse[: max(half, SHOWN - len(better))]
    last = better[: SHOWN - len(first)]
    words = WORDS[exact]
    counts = exact, len(worse), len(better)
    numbers = [*first.tolist(), *last.tolist()]
    if not numbers:
        return ChangedRows(*counts, None, ())
    _, first_table = next(iter(judged.values()))
    ids = first_table[ID_COLUMN].combine_chunks().take(numbers)
    prepared = _texts(ids, sides, models)
    if isinstance(prepared, str):
        return ChangedRows(*counts, None, [f"no texts of rows: {prepared}"])
    changes = [words[0]] * len(first) + [words[1]] * len(last)
    shown = browser(judged, numbers, prepared, sides[1].slices, changes, len(worse) + len(better))
    return ChangedRows(*counts, shown, ())


def _texts(
    ids: "pa.Array", sides: tuple[Side, Side], models: Sequence[ComparedModel]
) -> "pa.Table | str":
    """Prepared test rows with all of these ids, from wherever they lie; or why there are none.

    An id is a digest of all that a row holds, so either side's rows do; what is here comes first.
    """
    from pyarrow import compute as pc

    why = "neither side has these rows"
    pairs = list(zip(models, sides, strict=True))
    for model, side in sorted(pairs, key=lambda pair: pair[0].there.revision is not None):
        place = model.artifact(side.prepared)
        if isinstance(place, str):
            why = place
            continue
        try:
            rows = read_split(place, "test")
        except (InputError, OSError, ValueError) as error:  # pyarrow's are ValueErrors
            why = reason(error)
            continue
        if pc.all(pc.is_in(ids, rows[ID_COLUMN].combine_chunks())).as_py():
            return rows
    return why
