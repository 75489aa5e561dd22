"""E606: labels are distributed differently in train than where the model is measured."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule
from bertspec.catalog.source import SPLITS

if TYPE_CHECKING:
    import numpy as np

SHOWN = 3
"""Labels that a message names: those that differ most."""


class LabelDrift(Rule):
    """The label distribution of validation or test is further than `bound` from that of train."""

    code: ClassVar[str] = "E606"

    severity: Level = Field(default="warn", description=SEVERITY)
    bound: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Largest total variation between the label distributions of train and of "
        "another split: half the sum of the differences of the shares. Small splits differ by "
        "chance; a finding says by how much.",
    )

    def applies(self, data: PreparedData) -> bool:
        return data.labels is not None and "train" in data.splits and len(data.splits) > 1

    def check(self, data: PreparedData) -> Iterator[Finding]:
        labels, counts = data.labels, data.label_counts()
        assert labels is not None  # noqa: S101 - `applies` has seen to it
        train = counts[0]
        for split in data.splits:
            other = counts[SPLITS.index(split)]
            if split == "train" or not train.sum() or not other.sum():
                continue
            differences = other / other.sum() - train / train.sum()
            distance = total_variation(train, other)
            if distance <= self.bound:
                continue
            most = sorted(range(len(differences)), key=lambda i: (-abs(differences[i]), i))[:SHOWN]
            shares = ", ".join(
                f"`{labels.names[i]}` {train[i] / train.sum():.1%} and {other[i] / other.sum():.1%}"
                for i in most
            )
            yield Finding(
                f"the labels of {split} are distributed differently from those of train: total "
                f"variation {distance:.3f}, bound {self.bound:g}; chance alone gives about "
                f"{expected_noise(train, other):.3f} for splits of {train.sum():,} and "
                f"{other.sum():,} rows; in train and {split}: {shares}",
                "look at how the splits were made; a random split of the same rows is near what "
                "chance gives",
                data.broken([], []),
            )


def total_variation(first: "np.ndarray", second: "np.ndarray") -> float:
    """Half the sum of the absolute differences of the shares that counts are."""
    return float(abs(first / first.sum() - second / second.sum()).sum() / 2)


def expected_noise(first: "np.ndarray", second: "np.ndarray") -> float:
    """The total variation to expect of two samples of one distribution.

    A difference of shares is nearly normal with variance p(1-p)(1/n + 1/m), and the mean of the
    absolute value of a normal variable is sqrt(2/pi) times its deviation.
    """
    both = (first + second) / (first.sum() + second.sum())
    variance = both * (1 - both) * (1 / first.sum() + 1 / second.sum())
    return float((variance**0.5).sum() / math.sqrt(2 * math.pi))
