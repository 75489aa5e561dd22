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

    In each resample the same rows are drawn for both (the paired bootstrap). Of a side with several
    seeds a metric is the mean over them, and what others might give widens the interval. A verdict
    is given where it does not hold 0.

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
    tables = [[rows_of(table, ids) for table in side.tables] for side in (first, second)]
    sides = [
        [side.task.measurer(names, table) for table in found]
        for side, found in zip((first, second), tables, strict=True)
    ]
    return Compared(
        rows=len(ids),
        only=only,
        seeds=(len(first.tables), len(second.tables)),
        differences=differences(
            names, sides, len(ids), options, task.lower_is_better, same=tables[0] == tables[1]
        ),
        mcnemar=_mcnemar(*(found[0] for found in tables)) if task.label_names() else None,
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
    *,
    same: bool = False,
) -> list[Difference]:
    """Each metric that all models define; a side has a measure for each of its seeds.

    Models that are the `same` for each seed would be so for others, too.
    """
    import numpy as np

    generator = np.random.default_rng(options.seed)
    once = np.ones(rows, np.int64)
    whole = _measured(sides, once)
    drawn: dict[str, list[Sequence[float]]] = {name: [] for name in names}
    for _ in range(options.resamples):
        counts = np.bincount(generator.integers(0, rows, rows), minlength=rows)
        for name, found in _measured(sides, counts).items():
            if name in drawn:
                drawn[name].append(found)
    tail = (1 - options.level) / 2
    told = []
    for name in names:
        # As in evaluate: a metric that most resamples do not define has no interval.
        if name not in whole or 2 * len(drawn[name]) <= options.resamples:
            continue
        first, second = np.split(np.array(drawn[name]), [len(sides[0])], axis=1)
        one, other = np.split(np.array(whole[name]), [len(sides[0])])
        values = second.mean(1) - first.mean(1)
        if not same:
            values += of_seeds((one, other), (first, second), generator)
        low, high = np.quantile(values, [tail, 1 - tail]).tolist()
        verdict = EQUAL
        if low > 0 or high < 0:
            verdict = BETTER if (low > 0) is not (name in lower_is_better) else WORSE
        below, above = ((values <= 0).sum() + 1, (values >= 0).sum() + 1)
        p = min(1.0, 2 * float(min(below, above)) / (len(values) + 1))
        told.append(Difference(name, float(one.mean()), float(other.mean()), low, high, p, verdict))
    return told


def _measured(
    sides: Sequence[Sequence[Measure]], counts: "np.ndarray"
) -> Mapping[str, Sequence[float]]:
    """Each metric that all models define on such a draw of rows: its values, in their order."""
    found = [measure(counts) for measures in sides for measure in measures]
    names = set.intersection(*(set(values) for values in found))
    return {name: [values[name] for values in found] for name in names}


def of_seeds(
    whole: "Sequence[np.ndarray]", drawn: "Sequence[np.ndarray]", generator: "np.random.Generator"
) -> "np.ndarray":
    """What other seeds might add to each draw of a difference of means; 0 for one seed a side.

    `whole` has a metric of each seed of a side, and `drawn` the same for each draw of rows. To draw
    from two or three seeds would say too little. Values of n seeds have a sum of squares about
    their mean that is chi squared (n - 1 degrees) times the variance between seeds and that which
    the rows make; the latter the draws tell. So in each draw the variance is one that may have made
    this sum, less that of the rows: a generalised interval (Weerahandi, Generalized Confidence
    Intervals, JASA 88, 1993; of components of a variance and with a bound at 0, Hannig, Iyer and
    Patterson, JASA 101, 2006). Each side has a variance of its own, as in the problem of Behrens
    (1929) and Fisher (1935), and a side of one seed that of the other.
    """
    import numpy as np

    draws = len(drawn[0])
    several = [i for i, side in enumerate(whole) if len(side) > 1]
    added = np.zeros(draws)
    for i in several:
        freedom = len(whole[i]) - 1
        squares = ((whole[i] - whole[i].mean()) ** 2).sum()
        of_rows = (drawn[i] - drawn[i].mean(1, keepdims=True)).var(0).sum() / freedom
        variance = np.maximum(0, squares / generator.chisquare(freedom, draws) - of_rows)
        means = [whole[i]] if len(several) == len(whole) else whole
        scale = np.sqrt(variance * sum(1 / len(side) for side in means))
        added += scale * generator.standard_normal(draws)
    return added


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
