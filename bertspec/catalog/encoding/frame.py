"""The special tokens around a text or a pair, and how much of the texts fits between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertspec.catalog.encoding.ragged import Ragged, offsets_of, spread, total


@dataclass(frozen=True)
class Frame:
    """Special tokens before the first text, between two, and after the last."""

    ids: tuple[np.ndarray, ...]
    types: tuple[np.ndarray, ...]
    text_types: tuple[int, ...]
    """Token type of each text."""

    @property
    def size(self) -> int:
        return sum(map(len, self.ids))

    def around(self, texts: Sequence[Ragged], room: int) -> tuple[Ragged, np.ndarray]:
        """Token ids and types of rows with at most `room` tokens of their texts."""
        kept = fit([text.lengths for text in texts], room)
        offsets = offsets_of(total(kept) + self.size)
        ids = np.empty(offsets[-1], np.int32)
        types = np.full(offsets[-1], self.text_types[0], np.int8)
        place = offsets[:-1].copy()
        self._put(0, place, ids, types)
        for i, (text, lengths) in enumerate(zip(texts, kept, strict=True)):
            target = spread(place, lengths)
            ids[target] = text.values[spread(text.offsets[:-1], lengths)]
            if self.text_types[i] != self.text_types[0]:
                types[target] = self.text_types[i]
            place += lengths
            self._put(i + 1, place, ids, types)
        return Ragged(ids, offsets), types

    def _put(self, part: int, place: np.ndarray, ids: np.ndarray, types: np.ndarray) -> None:
        for token, kind in zip(self.ids[part], self.types[part], strict=True):
            ids[place], types[place] = token, kind
            place += 1


def fit(lengths: Sequence[np.ndarray], room: int) -> list[np.ndarray]:
    """How much of each text is kept: of a pair, first the longer one is cut, from its end.

    Where both must be cut they get the same, and the longer one, or else the second, one more.
    """
    if len(lengths) == 1:
        return [np.minimum(lengths[0], room)]
    first, second = lengths
    shorter = np.minimum(np.minimum(first, second), room // 2)
    longer = np.minimum(np.maximum(first, second), room - shorter)
    swap = first > second
    return [np.where(swap, longer, shorter), np.where(swap, shorter, longer)]
