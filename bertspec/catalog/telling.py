"""What reports tell of a task's test rows: how far off each is, and what people read of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertspec.core.model import Model

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Told:
    """A test row as people read it. Each item is of a label, or of none, and has a text."""

    gold: Sequence[tuple[str, str]]
    """What is right."""
    said: Sequence[tuple[str, str]]
    """What was predicted."""
    sure: float | None = None
    """The probability of the prediction, for a task that gives one to it as a whole."""


class Telling(Model, ABC):
    """The part of a task that reads its predictions tables for people."""

    @property
    def exact(self) -> bool:
        """Whether what is predicted for a row is right or wrong; else it is more or less near."""
        return True

    @abstractmethod
    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """How far what is predicted for each row is from what is right, (rows,): 0 for right.

        Of two wrong rows the one with the greater number is the one to look at first.
        """

    @abstractmethod
    def told(self, row: Mapping[str, Any]) -> Told:
        """A row of a table of predictions and gold, which has the prepared row's columns, too."""

    def chances(self, predictions: "pa.Table") -> "tuple[np.ndarray, np.ndarray] | None":
        """For a task that gives each row a probability of each label: which of `known_labels` rows
        have, bool, and the probabilities, both (rows, labels).
        """
        return None

    def reliability(self, predictions: "pa.Table") -> Sequence[Mapping[str, float]]:
        """For a task with labels: `confidence`, `accuracy` and `rows` of bins of predictions."""
        return ()
