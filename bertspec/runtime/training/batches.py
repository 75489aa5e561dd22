"""Batches of token ids: in which order rows come, and how they are padded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.source import SplitName
from bertspec.catalog.task import ID_COLUMN, Task
from bertspec.runtime.shards import numbered, read_index
from bertspec.runtime.tables import read_arrow

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch


@dataclass(frozen=True)
class Tokens:
    """One tokenized split. Row `i` is `ids[offsets[i]:offsets[i + 1]]`."""

    row_ids: "pa.Array"
    ids: "np.ndarray"
    type_ids: "np.ndarray"
    offsets: "np.ndarray"
    targets: "np.ndarray"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> "np.ndarray":
        return self.offsets[1:] - self.offsets[:-1]


def read_tokens(folder: Path, split: SplitName, task: Task) -> Tokens:
    """A split that tokenize wrote."""
    import numpy as np
    import pyarrow as pa

    shards = read_index(folder).splits[split]
    table = pa.concat_tables([read_arrow(folder / shard.path) for shard in shards])
    column = table["input_ids"].combine_chunks()
    types = table["token_type_ids"].combine_chunks()
    return Tokens(
        row_ids=numbered(table[ID_COLUMN]),
        ids=column.flatten().to_numpy(),
        type_ids=types.flatten().to_numpy(),
        offsets=np.concatenate([[0], np.cumsum(column.value_lengths().to_numpy())]).astype(int),
        targets=task.targets(table),
    )


@dataclass(frozen=True)
class Batch:
    """Rows padded to the longest of them; tensors are (batch, sequence) int64."""

    rows: "np.ndarray"
    inputs: "dict[str, torch.Tensor]"
    targets: "torch.Tensor"

    @property
    def real_tokens(self) -> int:
        return int(self.inputs["attention_mask"].sum())


def collate(tokens: Tokens, rows: "np.ndarray", pad_id: int) -> Batch:
    """Pad `rows` to the longest of them."""
    import numpy as np
    import torch

    longest = int(tokens.lengths[rows].max())
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    types = np.zeros_like(ids)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        start, end = tokens.offsets[row], tokens.offsets[row + 1]
        ids[place, : end - start] = tokens.ids[start:end]
        types[place, : end - start] = tokens.type_ids[start:end]
        mask[place, : end - start] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return Batch(
        rows,
        {name: torch.from_numpy(array) for name, array in inputs.items()},
        torch.from_numpy(tokens.targets[rows]),
    )


WINDOW = 16
"""Batches among which rows are sorted by length."""


def training_order(
    lengths: "np.ndarray", seed: int, epoch: int, size: int, rows: "np.ndarray | None" = None
) -> "Sequence[np.ndarray]":
    """Rows of each batch of an epoch: a function of lengths, seed, epoch and `rows` alone.

    `rows` are those of the epoch; None is every row once. They are shuffled; those of
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


def batches_by_length(tokens: Tokens, size: int) -> "Iterator[np.ndarray]":
    """All rows in batches of about equal length, the longest first: least padding."""
    import numpy as np

    order = np.argsort(-tokens.lengths, kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]
