"""Which tokens of a text each sequence of the model has, and which of them it answers for."""

from dataclasses import dataclass

import numpy as np

from bertspec.catalog.encoding.ragged import Ragged, offsets_of, spread


@dataclass(frozen=True)
class Parts:
    """Consecutive tokens of texts; one entry a sequence, the sequences of a text in order."""

    texts: np.ndarray
    """Number of the text of each."""
    starts: np.ndarray
    """Its first token, and the one behind its last, counted in the text."""
    ends: np.ndarray
    own_starts: np.ndarray
    """The same for the tokens that no other sequence answers for."""
    own_ends: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        return self.ends - self.starts

    def of(self, texts: Ragged) -> Ragged:
        """These tokens."""
        values = texts.values[spread(texts.offsets[self.texts] + self.starts, self.lengths)]
        return Ragged(values, offsets_of(self.lengths))


def beginnings(kept: np.ndarray, texts: np.ndarray | None = None) -> Parts:
    """One part of each text, or of each of `texts`: its first `kept` tokens."""
    zeros = np.zeros(len(kept), np.int64)
    return Parts(np.arange(len(kept)) if texts is None else texts, zeros, kept, zeros, kept)


def windows(lengths: np.ndarray, room: np.ndarray, stride: int) -> Parts:
    """Windows of `room` tokens over texts of these lengths, each `stride` into the one before.

    The last one of a text ends with it, and may be shorter, as in the tokenizers library. A token
    that several windows have is the one's in which the nearer border is farthest from it; of two
    such, the first one's. Each window has a token of its own when `room` is above `stride`.
    """
    step = room - stride
    counts = 1 + np.maximum(-(-(lengths - room) // step), 0)
    texts = np.repeat(np.arange(len(lengths)), counts)
    number = spread(np.zeros(len(counts), np.int64), counts)
    starts = number * step[texts]
    ends = np.minimum(starts + room[texts], lengths[texts])
    is_first = number == 0
    is_last = number == counts[texts] - 1
    # Between a window and the next: as far from the end of the first as from the second's start.
    border = (ends + np.roll(starts, -1) + 1) // 2
    own_ends = np.where(is_last, ends, border)
    own_starts = np.where(is_first, 0, np.roll(border, 1))
    return Parts(texts, starts, ends, own_starts, own_ends)


def head_and_tail(texts: Ragged, kept: np.ndarray, share: float) -> Ragged:
    """Of each text `kept` tokens: of those, `share` from its beginning and the rest from its end.

    Where they are all of the text, it is whole.
    """
    heads = np.ceil(kept * share).astype(np.int64)
    tails = kept - heads
    lengths = np.stack([heads, tails], axis=1).ravel()
    starts = np.stack([texts.offsets[:-1], texts.offsets[1:] - tails], axis=1).ravel()
    return Ragged(texts.values[spread(starts, lengths)], offsets_of(kept))
