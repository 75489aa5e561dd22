"""Whether a metric differs between two models: both are measured on the same draws of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertspec.catalog.task import ID_COLUMN, Measure
from bertspec.core.errors import InputError
from bertspec.pipeline.params.evaluate import Intervals
from bertspec.runtime.comparing.side import Side

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BETTER, WORSE, EQUAL = "better", "worse", "no difference shown"
"""What is said of the second model."""


@dataclass(frozen=True)
class Difference:
    """One metric of both models."""

    metric: str
    first: float
    second: float
    low: float
    high: float
    """The interval of `second - first`."""
    p: float
    """How often so large a difference would be drawn if there were none; two-sided."""
    verdict: str

    @property
    def difference(self) -> float:
        return self.second - self.first


@dataclass(frozen=True)
class McNemar:
    """Rows that one model alone has right, and the exact test of McNemar (1947) on them."""

    first_only: int
    second_only: int
    p: float


@dataclass(frozen=True)
class Compared:
    rows: int
    """Test rows that both have."""
    only: tuple[int, int]
    """Test rows that one of them has alone."""
    seeds: tuple[int, int]
    """Models of each side."""
    differences: Sequence[Difference]
    """The headline metric comes first."""
    mcnemar: McNemar | None
    """Of the models of the specs' own seeds; for a task with one label a row."""


def compare(first: Side, second: Side, options: Intervals) -> Compared:
    """The second model beside the first, on the test rows that both have.

    In each resample the same rows are drawn for both (the paired bootstrap), and of a side with
    several seeds also these: a metric is the mean over them. A verdict is given where the interval
    does not hold 0.

    Raises InputError (E491) for models of different tasks, or without a test row in common.
    """
    task = first.task
    if task.type != second.task.type:
        raise InputError.of(
            "E491",
            f"{first.name} is of task {task.type}, and {second.name} of {second.task.type}",
            "compare models of one task",
        )
    if task.known_labels() != second.task.known_labels():
        raise InputError.of(
            "E491",
            f"the labels of {first.name} are {', '.join(task.known_labels())}, and those of "
            f"{second.name} {', '.join(second.task.known_labels())}",
            "a metric such as f1 is another one with other labels, or in another order",
        )
    ids, only = in_common(first, second)
    wanted = dict.fromkeys([task.headline, *first.metrics])
    names = [n for n in wanted if n in second.metrics or n == second.task.headline]
    sides = [
        [side.task.measurer(names, rows_of(table, ids)) for table in side.tables]
        for side in (first, second)
    ]
    return Compared(
        rows=len(ids),
        only=only,
        seeds=(len(first.tables), len(second.tables)),
        differences=differences(names, sides, len(ids), options, task.lower_is_better),
        mcnemar=_mcnemar(*(rows_of(side.tables[0], ids) for side in (first, second)))
        if task.label_names()
        else None,
    )


def in_common(first: Side, second: Side) -> "tuple[pa.Array, tuple[int, int]]":
    """Ids of the rows that all tables have, and how many one side has alone."""
    from pyarrow import compute as pc

    tables = [*first.tables, *second.tables]
    ids = tables[0][ID_COLUMN].combine_chunks()
    for table in tables[1:]:
        ids = ids.filter(pc.is_in(ids, table[ID_COLUMN].combine_chunks()))
    if not len(ids):
        raise InputError.of(
            "E491",
            f"{first.name} and {second.name} have no test row in common",
            "compare models that were tested on the same data; a changed text, label or split is "
            "another row",
        )
    return ids, (len(first.tables[0]) - len(ids), len(second.tables[0]) - len(ids))


def rows_of(table: "pa.Table", ids: "pa.Array") -> "pa.Table":
    """The rows of these ids, in their order."""
    from pyarrow import compute as pc

    return table.take(pc.index_in(ids, table[ID_COLUMN].combine_chunks()))


def differences(
    names: Sequence[str],
    sides: Sequence[Sequence[Measure]],
    rows: int,
    options: Intervals,
    lower_is_better: Sequence[str] = (),
) -> list[Difference]:
    """Each metric that both sides define; a side has a measure for each of its seeds."""
    import numpy as np

    generator = np.random.default_rng(options.seed)
    once = np.ones(rows, np.int64)
    whole = [_mean(measures, once, np.arange(len(measures))) for measures in sides]
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.resamples):
        counts = np.bincount(generator.integers(0, rows, rows), minlength=rows)
        a, b = (_mean(m, counts, generator.integers(0, len(m), len(m))) for m in sides)
        for name in a.keys() & b.keys():
            drawn[name].append(b[name] - a[name])
    tail = (1 - options.level) / 2
    found = []
    for name in names:
        # As in evaluate: a metric that most resamples do not define has no interval.
        if not all(name in values for values in whole) or 2 * len(drawn[name]) <= options.resamples:
            continue
        values = np.array(drawn[name])
        low, high = np.quantile(values, [tail, 1 - tail]).tolist()
        verdict = EQUAL
        if low > 0 or high < 0:
            verdict = BETTER if (low > 0) is not (name in lower_is_better) else WORSE
        below, above = ((values <= 0).sum() + 1, (values >= 0).sum() + 1)
        p = min(1.0, 2 * float(min(below, above)) / (len(values) + 1))
        found.append(Difference(name, whole[0][name], whole[1][name], low, high, p, verdict))
    return found


def _mean(
    measures: Sequence[Measure], counts: "np.ndarray", chosen: "np.ndarray"
) -> Mapping[str, float]:
    """Each metric's mean over the chosen models; of those that all of them define."""
    found = {i: measures[i](counts) for i in set(chosen.tolist())}
    names = set.intersection(*(set(values) for values in found.values()))
    return {name: sum(found[i][name] for i in chosen.tolist()) / len(chosen) for name in names}


def _mcnemar(first: "pa.Table", second: "pa.Table") -> McNemar:
    import numpy as np
    from scipy.stats import binomtest

    a, b = (
        np.array(table["gold"].to_pylist()) == np.array(table["prediction"].to_pylist())
        for table in (first, second)
    )
    first_only, second_only = int((a & ~b).sum()), int((b & ~a).sum())
    differing = first_only + second_only
    p = float(binomtest(first_only, differing).pvalue) if differing else 1.0
    return McNemar(first_only, second_only, p)
