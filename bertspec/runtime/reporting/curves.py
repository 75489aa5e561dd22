"""Curves of a training, of one model or of two side by side."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

BUCKETS = 100
"""A line has at most four points in each, however long training was: the page stays small."""

LEAST_SMOOTHING = 10
"""Steps over which the second line of the training loss is the mean; more in a long training."""

PARTS = 50
"""Such a mean is over one of so many parts of training."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Training:
    """What a training wrote down of itself."""

    loss: Points
    rate: Points
    x: str
    """What `measured` is by: `step` with `training.validate_every`, or `epoch`."""
    measured: dict[str, Points]
    """`train_loss`, perhaps `validation_loss`, and metrics of validation."""

    @classmethod
    def read(cls, loss: Path, rate: Path, validation: Path) -> "Training":
        """From the CSV files that evaluate leaves in plots."""
        with validation.open(encoding="utf-8", newline="") as file:
            x = next(csv.reader(file))[0]
        return cls(
            read_curves(loss, "step")["loss"],
            read_curves(rate, "step")["learning_rate"],
            x,
            read_curves(validation, x),
        )

    @property
    def window(self) -> int:
        """Steps of which `smooth` has the mean."""
        return max(LEAST_SMOOTHING, len(self.loss) // PARTS)

    @property
    def smooth(self) -> Points:
        return smoothed(self.loss, self.window)

    def metrics(self) -> Iterator[tuple[str, Points]]:
        """Those of validation, beside the losses."""
        for name, points in self.measured.items():
            if not name.endswith("_loss"):
                yield name, points


def read_curves(path: Path, x: str) -> dict[str, Points]:
    """Each column of a CSV file against column `x`, without its empty cells and empty columns."""
    curves: dict[str, list[tuple[float, float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            at = float(row.pop(x))
            for name, text in row.items():
                if text:
                    curves.setdefault(name, []).append((at, float(text)))
    return dict(curves)


def smoothed(points: Points, window: int) -> list[tuple[float, float]]:
    """Each point as the mean of the last `window` ones."""
    sums = [0.0, *accumulate(y for _, y in points)]
    starts = [max(0, end - window) for end in range(1, len(sums))]
    return [
        (points[i][0], (sums[i + 1] - sums[start]) / (i + 1 - start))
        for i, start in enumerate(starts)
    ]


def thinned(points: Points) -> list[tuple[float, float]]:
    """The first, lowest, highest and last point of each bucket, in their order (Jugel et al. 2014,
    M4): no peak is lost, and no end or corner of a curve that stands still or goes straight up.
    """
    if len(points) <= 4 * BUCKETS:
        return list(points)
    size = math.ceil(len(points) / BUCKETS)
    kept = []
    for start in range(0, len(points), size):
        bucket = range(start, min(start + size, len(points)))
        lowest, highest = (end(bucket, key=lambda i: points[i][1]) for end in (min, max))
        kept += [points[i] for i in sorted({bucket[0], lowest, highest, bucket[-1]})]
    return kept
