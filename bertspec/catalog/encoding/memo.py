"""Token ids of the words seen so far."""

from itertools import repeat
from threading import Lock

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from bertspec.catalog.encoding.ragged import Ragged, encode_texts, offsets_of, spread
from bertspec.catalog.encoding.words import Words

WORDS = 1 << 20
"""With more words than these it starts anew: they need some hundred bytes each."""

SIZE = 1 << 26
"""The same for bytes of words and their token ids together."""

FEW = 4096
"""Pieces that Python itself tells apart sooner than it imports what Arrow does that with."""


class Memo:
    """Encodes each word once, until it holds too many. Several threads may do so at once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._lock = Lock()
        self._clear()

    def encode(self, words: Words) -> Ragged:
        """The token ids of all words of each row."""
        distinct, codes = _distinct(words.pieces)
        with self._lock:
            slots = self._slots(distinct)[codes]
            # What others add later stands behind these words, or in other tables.
            all_starts, all_lengths, ids = self._starts, self._lengths, self._ids
        lengths = all_lengths[slots]
        values = ids[spread(all_starts[slots], lengths)]
        return Ragged(values, offsets_of(lengths)[words.rows])

    def _clear(self) -> None:
        self._places: dict[str, int] = {}
        self._size = 0
        self._used = 0
        self._ids = np.zeros(0, np.int32)
        self._starts = np.zeros(0, np.int64)
        self._lengths = np.zeros(0, np.int64)

    def _slots(self, words: list[str]) -> np.ndarray:
        if len(self._places) > WORDS or self._size > SIZE:
            self._clear()
        slots = np.fromiter(map(self._places.get, words, repeat(-1)), np.int64, len(words))
        new = np.flatnonzero(slots < 0)
        if len(new):
            slots[new] = np.arange(len(new)) + len(self._places)
            self._add([words[place] for place in new.tolist()])
        return slots

    def _add(self, words: list[str]) -> None:
        found, count = encode_texts(self._tokenizer, words), len(self._places)
        self._ids = _put(self._ids, self._used, found.values)
        self._starts = _put(self._starts, count, found.offsets[:-1] + self._used)
        self._lengths = _put(self._lengths, count, found.lengths)
        self._used += len(found.values)
        self._size += 4 * sum(map(len, words)) + found.values.nbytes
        self._places.update(zip(words, range(count, count + len(words)), strict=True))


def _distinct(pieces: pa.LargeStringArray) -> tuple[list[str], np.ndarray]:
    """The different words, and of each piece which of them it is."""
    if len(pieces) < FEW:
        places: dict[str, int] = {}
        codes = [places.setdefault(word, len(places)) for word in pieces.to_pylist()]
        return list(places), np.array(codes, np.int32)
    coded = pieces.dictionary_encode()
    # Not by `to_numpy`, which imports pandas.
    return coded.dictionary.to_pylist(), np.frombuffer(
        coded.indices.buffers()[1], np.int32, len(pieces)
    )


def _put(table: np.ndarray, used: int, more: np.ndarray) -> np.ndarray:
    """The table with values put after the used ones; it doubles, so that few calls copy it."""
    needed = used + len(more)
    if needed > len(table):
        grown = np.zeros(max(needed, 2 * len(table)), table.dtype)
        grown[:used] = table[:used]
        table = grown
    table[used:needed] = more
    return table
