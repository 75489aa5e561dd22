"""Batches of token ids: in which order sequences come, and how they are padded."""

import itertools
import math
import sys
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

    from bertspec.pipeline.params.train import Batch as BatchOptions


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
        self.totals = tokens.lengths
        """Tokens of each unit."""
        self.counts = np.ones_like(tokens.lengths)
        """Sequences of each unit."""
        if task.together and len(tokens):
            self._borders = np.flatnonzero(np.diff(tokens.examples, prepend=-1, append=-1))
            self.lengths = np.maximum.reduceat(tokens.lengths, self._borders[:-1])
            self.totals = np.add.reduceat(tokens.lengths, self._borders[:-1])
            self.counts = np.diff(self._borders)

    def sequences(self, units: "np.ndarray") -> "np.ndarray":
        """The sequences of some units, in their order."""
        if self._borders is None:
            return units
        from bertspec.catalog.encoding.ragged import spread

        starts = self._borders[units]
        return spread(starts, self._borders[units + 1] - starts)


def training_order(
    units: int, seed: int, epoch: int, size: int, rows: "np.ndarray | None" = None
) -> "Sequence[np.ndarray]":
    """Units of each step of an epoch: a function of seed, epoch and `rows` alone.

    `rows` are those of the epoch; None is every one once. They come in an order that is drawn, as
    in transformers' Trainer: steps of texts of one length would learn worse, see benchmarks/.
    """
    import numpy as np

    order = np.random.default_rng([seed, epoch]).permutation(units if rows is None else rows)
    return [order[start : start + size] for start in range(0, len(order), size)]


ABOUT_EQUAL = 0.6
"""Share of the longest that sequences are at least, of which little is padding when together."""


def parts_of(
    step: "np.ndarray", units: Units, options: "BatchOptions", *, padded: bool, by_length: bool
) -> "Sequence[np.ndarray]":
    """The units of a step in parts that run one after another, the longest units first.

    As many as `options` ask for, at least, with the padding of those that are `padded`; and
    `by_length` more of them, so that the units of a part are of about equal length.
    """
    order = step[(-units.lengths[step]).argsort(kind="stable")]
    most = math.ceil(len(order) / options.accumulate)
    budget = options.tokens or sys.maxsize
    lengths = units.lengths[order].tolist()
    sizes = (units.counts if padded else units.totals)[order].tolist()
    borders, first, held = [0], 0, 0
    for place, (length, size) in enumerate(zip(lengths, sizes, strict=True)):
        longest, held = lengths[first], held + size
        tokens = held * longest if padded else held
        is_full = place - first == most or tokens > budget
        if place > first and (is_full or (by_length and length < ABOUT_EQUAL * longest)):
            first, held = place, size
            borders.append(place)
    return [order[i:j] for i, j in itertools.pairwise([*borders, len(order)])]


def in_parts(
    task: Task,
    tokens: Tokens,
    units: Units,
    options: "BatchOptions",
    pad_id: int,
    draw: Draw,
    chosen: "np.ndarray",
    *,
    padded: bool,
    by_length: bool,
) -> Sequence[Batch]:
    """The units `chosen` of a step, or of a shard of it, in parts that run one after another."""
    parts = parts_of(chosen, units, options, padded=padded, by_length=by_length)
    return [collate(task, tokens, units.sequences(part), pad_id, draw) for part in parts]


def batches_by_length(
    lengths: "np.ndarray", size: int, tokens: int = sys.maxsize
) -> "Iterator[np.ndarray]":
    """All units in batches of about equal length, the longest first: least padding.

    A batch has `size` units at most, and `tokens` with its padding, or one unit. Units without a
    token, of which a model sees padding alone, are together: what it says of them would else depend
    on how much there is.
    """
    import numpy as np

    order, filled = np.argsort(-lengths, kind="stable"), int(np.count_nonzero(lengths))
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        end = start + min(size, max(1, tokens // longest))
        if start < filled < end:
            end = filled
        yield order[start:end]
        start = end
