"""Rows of token ids of different lengths, as two flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from tokenizers import Tokenizer


@dataclass(frozen=True)
class Ragged:
    """Row i is `values[offsets[i] : offsets[i + 1]]`."""

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Ragged":
        offsets = offsets_of(np.fromiter(map(len, rows), np.int64, len(rows)))
        values = np.fromiter(chain.from_iterable(rows), np.int32, int(offsets[-1]))
        return cls(values, offsets)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def row(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def count(self, value: int | None) -> np.ndarray:
        """How often each row has the value."""
        if value is None:
            return np.zeros(len(self.offsets) - 1, np.int32)
        places = np.flatnonzero(self.values == value)
        found: np.ndarray = np.diff(np.searchsorted(places, self.offsets)).astype(np.int32)
        return found


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Where rows of these lengths begin, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def total(counts: Sequence[np.ndarray]) -> np.ndarray:
    """The sum over the texts of each row; 0 for no text."""
    found: np.ndarray = np.sum(np.stack(counts), axis=0) if counts else np.zeros((), np.int64)
    return found


def spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The places start, start + 1, ... of each row, one row after the other."""
    ends = np.cumsum(lengths, dtype=np.int64)
    count = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(count)


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> Ragged:
    """The token ids that the tokenizer itself gives, without special tokens around a text."""
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return Ragged.of([encoding.ids for encoding in encodings])
