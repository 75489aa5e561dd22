"""Tokenized sequences in memory, and batches of them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from bertspec.catalog.long_documents import Aggregate

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

EXAMPLE = "example"
"""Column of tokenized sequences: the number of the row, in its shard, that each is of."""

MASK = "attention_mask"
"""The input that is 1 for the tokens of a sequence, then 0."""

IGNORED = -100
"""Target of a token that has none, as in PyTorch's losses."""


@dataclass(frozen=True)
class Tokens:
    """The sequences of some examples. Sequence `i` is `ids[offsets[i]:offsets[i + 1]]`."""

    examples: "np.ndarray"
    """Number of each sequence's example, ascending."""
    ids: "np.ndarray"
    type_ids: "np.ndarray"
    offsets: "np.ndarray"
    columns: "pa.Table"
    """The task's own columns, one row a sequence."""
    aggregate: Aggregate | None = None
    """How the scores of an example's sequences become one; None where each has one."""

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> "np.ndarray":
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def firsts(self) -> "np.ndarray":
        """Number of each example's first sequence."""
        return first_of_each(self.examples)

    @cached_property
    def contents(self) -> "np.ndarray":
        """A number for the token ids of each sequence, the same for equal ones: (sequences,)."""
        import numpy as np

        spans = itertools.pairwise(self.offsets)
        digests = b"".join(
            blake2b(self.ids[a:b].tobytes(), digest_size=16).digest() for a, b in spans
        )
        halves = np.frombuffer(digests, np.dtype([("first", "<u8"), ("second", "<u8")]))
        return np.unique(halves, return_inverse=True)[1]

    def row(self, sequence: int) -> int:
        """Number in its split, from 1, of the row that a sequence is of."""
        return 1 + int(self.examples[sequence])

    def numbers(self, column: str) -> "np.ndarray":
        """A column of numbers of the task's own."""
        found: np.ndarray = self.columns[column].to_numpy()
        return found

    def items(self, column: str) -> "np.ndarray":
        """The values of a column of lists of the task's own, list after list; no copy of them."""
        found: np.ndarray = self.columns[column].chunk(0).flatten().to_numpy()
        return found


@dataclass(frozen=True)
class Batch:
    """Sequences padded to the longest of them; inputs are (batch, sequence) int64."""

    rows: "np.ndarray"
    """Numbers of the sequences."""
    inputs: "Mapping[str, torch.Tensor]"
    targets: "torch.Tensor"
    """What the task's loss takes."""

    @property
    def lengths(self) -> "torch.Tensor":
        return self.inputs[MASK].sum(dim=1)

    def to(self, device: "torch.device") -> "Batch":
        """The batch on the device; on the same one, itself."""
        if self.targets.device == device:
            return self
        inputs = {name: moved(tensor, device) for name, tensor in self.inputs.items()}
        inputs[MASK].on_processor = self.inputs[MASK]  # type: ignore[attr-defined] # what asks a GPU waits for it
        return Batch(self.rows, inputs, moved(self.targets, device))


def moved(tensor: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """The tensor on a device, where a copy of it is made while the processor goes on."""
    if tensor.device == device:
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True)
class Draw:
    """What random choices about a batch may depend on, beside the rows themselves."""

    seed: int
    epoch: int


EVALUATION = Draw(seed=0, epoch=0)
"""What is random in training, such as which words are masked, is the same in every evaluation."""


def tokens_of(
    table: "pa.Table", examples: "np.ndarray", aggregate: Aggregate | None = None
) -> Tokens:
    """A table of sequences, as `Task.encode` gives it, in memory."""
    ids, offsets = _flat(table["input_ids"])
    return Tokens(
        examples=examples,
        ids=ids,
        type_ids=_flat(table["token_type_ids"])[0],
        offsets=offsets,
        columns=table.drop_columns(["input_ids", "token_type_ids", EXAMPLE]).combine_chunks(),
        aggregate=aggregate,
    )


def _flat(column: "pa.ChunkedArray") -> "tuple[np.ndarray, np.ndarray]":
    """The items of all lists, and where each list begins among them.

    `flatten` and `value_lengths` import all that Arrow computes with, and `to_numpy` pandas.
    """
    import numpy as np

    lists = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    offsets = np.from_dlpack(lists.offsets).astype(np.int64)
    first, last = offsets[[0, -1]].tolist()
    return np.from_dlpack(lists.values)[first:last], offsets - first


def tokens_of_new(table: "pa.Table", aggregate: Aggregate | None) -> Tokens:
    """The same for new rows."""
    import numpy as np

    examples = np.from_dlpack(table[EXAMPLE].combine_chunks()).astype(np.int64)
    return tokens_of(table, examples, aggregate)


def first_of_each(examples: "np.ndarray") -> "np.ndarray":
    """Where the sequences of each example begin, by the ascending numbers of their examples."""
    import numpy as np

    return np.flatnonzero(np.diff(examples, prepend=-1))


def unpadded(outputs: "np.ndarray", inputs: "Mapping[str, np.ndarray]") -> "Sequence[np.ndarray]":
    """What (batch, sequence, ...) outputs have for the real tokens of each sequence."""
    lengths = inputs[MASK].sum(axis=1)
    return [output[:length] for output, length in zip(outputs, lengths, strict=True)]


def padded(tokens: Tokens, rows: "np.ndarray", pad_id: int) -> "dict[str, np.ndarray]":
    """The model's inputs for some sequences, padded to the longest: (batch, sequence) int64.

    They have a place at least, as no model takes none.
    """
    import numpy as np

    from bertspec.catalog.encoding.ragged import spread

    lengths = tokens.lengths[rows]
    real = np.arange(max(1, lengths.max())) < lengths[:, None]
    places = spread(tokens.offsets[rows], lengths)
    ids = np.full(real.shape, pad_id, dtype=np.int64)
    types = np.zeros_like(ids)
    ids[real], types[real] = tokens.ids[places], tokens.type_ids[places]
    return {"input_ids": ids, MASK: real.astype(np.int64), "token_type_ids": types}
