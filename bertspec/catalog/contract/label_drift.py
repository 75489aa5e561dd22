"""E606: labels are distributed differently in train than where the model is measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule
from bertspec.catalog.source import SPLITS

if TYPE_CHECKING:
    import numpy as np

SHOWN = 3
"""Labels that a message names: those that differ most."""

DRAWS = 999
"""Random splits that a drift is compared with."""

LEVEL = 0.01
"""Share of random splits that may be as far apart as one that is told."""

_SEED = 1
_AT_ONCE = 2**22
"""Numbers in memory at once."""


class LabelDrift(Rule):
    """The label distribution of validation or test is further than `bound` from that of train,
    and further than random splits of the same rows are in 99 of 100 cases.

    The latter is a permutation test (Fisher 1935; Good 2005, "Permutation, Parametric and
    Bootstrap Tests of Hypotheses"): if the splits are random, every division of their rows into as
    many and as many is as likely as theirs. It holds for few rows as well.
    """

    code: ClassVar[str] = "E606"

    severity: Level = Field(default="warn", description=SEVERITY)
    bound: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Largest total variation between the label distributions of train and of "
        "another split: half the sum of the differences of the shares. Where rows have several "
        "labels, it is the largest difference of the share of rows that have a label. What chance "
        "explains is not reported, however far above.",
    )

    def applies(self, data: PreparedData) -> bool:
        labels = data.labels
        some = labels is not None and bool(labels.names)
        return some and "train" in data.splits and len(data.splits) > 1

    def field(self, data: PreparedData) -> tuple[str, ...]:
        return ("split",)

    def check(self, data: PreparedData) -> Iterator[Finding]:
        labels = data.labels
        assert labels is not None  # noqa: S101 - `applies` has seen to it
        sets = _label_sets(data)
        train = sets.counts[0]
        for split in data.splits:
            other = sets.counts[SPLITS.index(split)]
            if split == "train" or not train.sum() or not other.sum():
                continue
            distance = float(sets.distance(train, other))
            if distance <= self.bound:
                continue
            chance = sets.chance(train, other)
            if distance <= chance + 1e-9:
                continue
            yield Finding(
                f"the labels of {split} are distributed differently from those of train: "
                f"{sets.measure} {distance:.3f}, bound {self.bound:g}; in {1 - LEVEL:.0%} of cases "
                f"random splits of the same {train.sum():,} and {other.sum():,} rows are at most "
                f"{chance:.3f} apart; in train and {split}: "
                f"{_shares(labels.names, sets.shares(train), sets.shares(other))}",
                "look at how the splits were made: chance alone hardly does that",
                data.broken([], []),
            )


def _shares(names: Sequence[str], train: "np.ndarray", other: "np.ndarray") -> str:
    differences = abs(other - train)
    most = sorted(range(len(names)), key=lambda i: (-differences[i], i))[:SHOWN]
    return ", ".join(f"`{names[i]}` {train[i]:.1%} and {other[i]:.1%}" for i in most)


@dataclass(frozen=True, eq=False)
class _LabelSets:
    """The sets of labels that rows have: where each row has one label, each set has one."""

    counts: "np.ndarray"
    """Rows of each set (columns) in each of SPLITS."""
    members: "np.ndarray"
    """A set for each label that it has, label by label."""
    starts: "np.ndarray"
    """Where in `members` each label begins."""
    several: bool
    """Whether rows can have several labels."""

    @property
    def measure(self) -> str:
        return "a label's share of the rows differs by" if self.several else "total variation"

    def shares(self, counts: "np.ndarray") -> "np.ndarray":
        """The share of rows (..., sets) that have each label: (..., labels)."""
        import numpy as np

        rows = np.add.reduceat(counts[..., self.members], self.starts, axis=-1)
        return rows / counts.sum(axis=-1, keepdims=True)

    def distance(self, first: "np.ndarray", second: "np.ndarray") -> "np.ndarray":
        """Of counts of sets (..., sets): total variation, of the labels or of the label that
        differs most.
        """
        differences = abs(self.shares(first) - self.shares(second))
        return differences.max(axis=-1) if self.several else differences.sum(axis=-1) / 2

    def chance(self, first: "np.ndarray", second: "np.ndarray") -> float:
        """The distance above which at most LEVEL of random splits of the same rows are.

        How many rows of each set fall into one of them has a multivariate hypergeometric
        distribution.
        """
        import numpy as np

        both, size = first + second, int(second.sum())
        present = both > 0
        generator = np.random.default_rng(_SEED)
        found: list[float] = []
        step = max(1, _AT_ONCE // (len(both) + len(self.members)))
        while len(found) < DRAWS:
            drawn = np.zeros((min(step, DRAWS - len(found)), len(both)), dtype=np.int64)
            drawn[:, present] = generator.multivariate_hypergeometric(
                both[present], size, size=len(drawn), method="marginals"
            )
            found.extend(self.distance(both - drawn, drawn).tolist())
        return float(np.quantile(found, 1 - LEVEL, method="higher"))


def _label_sets(data: PreparedData) -> _LabelSets:
    import numpy as np
    import pyarrow as pa

    labels, kind = data.labels, data.column("label").type
    assert labels is not None  # noqa: S101 - the rule applies only where there are some
    if not pa.types.is_list(kind) and not pa.types.is_large_list(kind):
        every = np.arange(len(labels.names))
        return _LabelSets(data.label_counts(), every, every, several=False)
    numbers = {name: number for number, name in enumerate(labels.names)}
    sets: dict[tuple[int, ...], int] = {}
    given = data.column("label").to_pylist()
    rows = [i for i, row in enumerate(given) if row is not None]
    codes = [
        sets.setdefault(
            tuple(sorted({numbers[str(x)] for x in given[i] if x is not None})), len(sets)
        )
        for i in rows
    ]
    counts = np.zeros((len(SPLITS), len(sets)), dtype=np.int64)
    np.add.at(counts, (data.split_codes[rows], np.array(codes, dtype=np.int64)), 1)
    pairs = sorted((label, number) for group, number in sets.items() for label in group)
    of_label = np.array([label for label, _ in pairs], dtype=np.int64)
    starts = np.searchsorted(of_label, np.arange(len(labels.names)))
    return _LabelSets(counts, np.array([s for _, s in pairs], dtype=np.int64), starts, several=True)
