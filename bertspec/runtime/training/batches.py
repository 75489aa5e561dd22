"""Batches of token ids: in which order sequences come, and how they are padded."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.batch import EXAMPLE, Batch, Draw, Tokens, padded, tokens_of
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.source import SplitName
from bertspec.catalog.task import Task
from bertspec.runtime.shards import read_index
from bertspec.runtime.tables import read_arrow

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def read_tokens(folder: Path, split: SplitName, aggregate: Aggregate | None = None) -> Tokens:
    """A split that tokenize wrote."""
    import pyarrow as pa

    shards = read_index(folder).splits[split]
    tables = [read_arrow(folder / shard.path) for shard in shards]
    examples = _examples(tables, [s.rows for s in shards])
    return tokens_of(pa.concat_tables(tables), examples, aggregate)


def _examples(tables: "Sequence[pa.Table]", rows: Sequence[int]) -> "np.ndarray":
    """Number of each sequence's row in the split; in a shard it is counted from 0."""
    import numpy as np

    firsts = np.cumsum([0, *rows[:-1]])
    numbers = [t[EXAMPLE].to_numpy() + first for t, first in zip(tables, firsts, strict=True)]
    return np.concatenate(numbers).astype(np.int64)


def collate(task: Task, tokens: Tokens, rows: "np.ndarray", pad_id: int, draw: Draw) -> Batch:
    """The sequences `rows`, padded to the longest of them, with their targets."""
    import torch

    inputs = {n: torch.from_numpy(array) for n, array in padded(tokens, rows, pad_id).items()}
    return task.collate(Batch(rows, inputs, torch.empty(0)), tokens, draw)


class Units:
    """What a batch has whole: sequences, or for a task that wants them together, examples."""

    def __init__(self, task: Task, tokens: Tokens) -> None:
        import numpy as np

        self._borders: np.ndarray | None = None
        self.lengths = tokens.lengths
        """Tokens of each unit's longest sequence."""
        if task.together and len(tokens):
            self._borders = np.flatnonzero(np.diff(tokens.examples, prepend=-1, append=-1))
            self.lengths = np.maximum.reduceat(tokens.lengths, self._borders[:-1])

    def sequences(self, units: "np.ndarray") -> "np.ndarray":
        """The sequences of some units, in their order."""
        import numpy as np

        if self._borders is None:
            return units
        spans = zip(self._borders[units], self._borders[units + 1], strict=True)
        return np.concatenate([np.arange(start, end) for start, end in spans])


WINDOW = 16
"""Batches among which units are sorted by length."""


def training_order(
    lengths: "np.ndarray", seed: int, epoch: int, size: int, rows: "np.ndarray | None" = None
) -> "Sequence[np.ndarray]":
    """Units of each batch of an epoch: a function of lengths, seed, epoch and `rows` alone.

    `rows` are those of the epoch; None is every one once. They are shuffled; those of
    each window of batches are sorted by length, so that a batch has little padding; then the
    batches are shuffled (transformers' `group_by_length` does likewise).
    """
    import numpy as np

    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths) if rows is None else rows)
    batches = []
    for start in range(0, len(order), size * WINDOW):
        window = order[start : start + size * WINDOW]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches += [window[i : i + size] for i in range(0, len(window), size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def batches_by_length(lengths: "np.ndarray", size: int) -> "Iterator[np.ndarray]":
    """All units in batches of about equal length, the longest first: least padding."""
    import numpy as np

    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]
