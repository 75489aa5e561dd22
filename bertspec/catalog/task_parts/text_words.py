"""Words of texts: which token is the first of each, where they stand, and spans of them."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from bertspec.catalog.encoding.encoder import Encoded, Tokens, column
from bertspec.catalog.encoding.ragged import Ragged, offsets_of, spread
from bertspec.catalog.task_parts.tags import Entities

NONE = -1
"""In place of a word's number: for all tokens but the first of each word."""


def word_numbers(tokens: Tokens) -> np.ndarray:
    """For each token of all texts the number of its word if it is the word's first, or NONE."""
    words = tokens.words.values
    before = np.roll(words, 1)
    before[tokens.ids.offsets[:-1][tokens.ids.lengths > 0]] = NONE
    return np.where(words != before, words, NONE)


@dataclass(frozen=True)
class TextWords:
    """The words that a tokenizer cuts texts into."""

    numbers: np.ndarray
    """For each token of all texts, see `word_numbers`."""
    starts: Ragged
    """First character of each word in its text, and the one behind its last."""
    ends: Ragged
    lines: np.ndarray
    """Where each text begins when the characters of all stand in one line."""

    @property
    def offsets(self) -> np.ndarray:
        """Where the words of each text begin when those of all stand in one line."""
        return self.starts.offsets

    def in_line(self, side: Ragged) -> np.ndarray:
        """`starts` or `ends`, counted in that line."""
        return side.values + np.repeat(self.lines, side.lengths)


def words_of(tokens: Tokens, texts: Sequence[str]) -> TextWords:
    """White space at the borders of a word is none of it; a word of white space alone is none.
    Marks behind a word that are of no other word, such as accents, are of it.
    """
    numbers = word_numbers(tokens)
    firsts = np.flatnonzero(numbers != NONE)
    rows = np.repeat(np.arange(len(texts)), tokens.ids.lengths)
    borders = offsets_of(np.array([len(text) for text in texts], np.int64))
    lines, lines_after = borders[:-1], borders[1:]
    starts = ends = np.zeros(0, np.int64)
    if len(firsts):
        of_words = np.flatnonzero(tokens.words.values != NONE)
        base, groups = lines[rows[of_words]], np.searchsorted(of_words, firsts)
        starts = np.minimum.reduceat(base + tokens.starts.values[of_words], groups)
        ends = np.maximum.reduceat(base + tokens.ends.values[of_words], groups)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    filled = np.concatenate([[-1], np.flatnonzero(~_are(str.isspace, codes)), [len(codes)]])
    starts = filled[np.searchsorted(filled, starts)]
    ends = filled[np.searchsorted(filled, ends) - 1] + 1
    kept = starts < ends
    firsts, rows = firsts[kept], rows[firsts[kept]]
    # A tokenizer may give words that are not in the order of their characters.
    starts = np.minimum.accumulate(starts[kept][::-1])[::-1]
    ends = np.maximum.accumulate(ends[kept])
    # One that strips accents has no token for the marks behind a letter, which are the word's.
    no_marks = np.append(np.flatnonzero(~_are(_is_mark, codes)), len(codes))
    nexts = np.minimum(np.append(starts, len(codes))[1:], lines_after[rows])
    ends = np.maximum(ends, np.minimum(no_marks[np.searchsorted(no_marks, ends)], nexts))
    offsets = np.searchsorted(rows, np.arange(len(texts) + 1))
    numbers = np.full(len(numbers), NONE, np.int32)
    numbers[firsts] = np.arange(len(firsts)) - offsets[rows]
    first, last = (Ragged((s - lines[rows]).astype(np.int32), offsets) for s in (starts, ends))
    return TextWords(numbers, first, last, lines)


def _are(test: Callable[[str], bool], codes: np.ndarray) -> np.ndarray:
    """Of which characters the test holds."""
    distinct, places = np.unique(codes, return_inverse=True)
    return np.array([test(chr(code)) for code in distinct.tolist()], bool)[places]


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


@dataclass(frozen=True)
class Spans:
    """Spans of texts, ordered by text and first character."""

    texts: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    types: np.ndarray

    @classmethod
    def of(cls, spans: pa.ListArray, labels: Sequence[str]) -> "Spans":
        """A column of lists of `{start, end, label}`."""
        flat = spans.flatten()
        texts = np.repeat(np.arange(len(spans)), spans.value_lengths().to_numpy())
        starts, ends = (flat.field(name).to_numpy() for name in ("start", "end"))
        known = pa.array(labels, pa.string())
        types = pc.index_in(flat.field("label"), value_set=known).to_numpy()
        order = np.lexsort((starts, texts))
        return cls(texts[order], starts[order], ends[order], types[order])


@dataclass(frozen=True)
class Aligned:
    """The words of some spans."""

    entities: Entities
    misaligned: np.ndarray
    """Numbers of the spans that begin or end within a word, or have none."""
    shared: np.ndarray
    """Numbers of the spans that have a word with the span before them in common."""


def align(spans: Spans, words: TextWords) -> Aligned:
    """A span has the words that overlap it."""
    lefts, rights = words.in_line(words.starts), words.in_line(words.ends)
    base = words.lines[spans.texts]
    firsts = np.searchsorted(rights, base + spans.starts, side="right")
    lasts = np.searchsorted(lefts, base + spans.ends, side="left")
    has_words = firsts < lasts
    exact = has_words.copy()
    exact[has_words] = (lefts[firsts[has_words]] == (base + spans.starts)[has_words]) & (
        rights[lasts[has_words] - 1] == (base + spans.ends)[has_words]
    )
    shared = np.flatnonzero(firsts[1:] < lasts[:-1]) + 1
    found = Entities(firsts[has_words], lasts[has_words], spans.types[has_words])
    return Aligned(found, np.flatnonzero(~exact), shared)


def own_values(encoded: Encoded, texts: Ragged, values: np.ndarray, none: int) -> pa.ListArray:
    """A value for each token of `input_ids`: those of `texts`, in the sequence that owns them.

    All others have `none`.
    """
    parts = encoded.parts
    lengths = parts.own_ends - parts.own_starts
    offsets = encoded.input_ids.offsets
    found = np.full(len(encoded.input_ids.values), none, np.int32)
    places = offsets.to_numpy()[:-1] + encoded.places + parts.own_starts - parts.starts
    found[spread(places, lengths)] = values[
        spread(texts.offsets[parts.texts] + parts.own_starts, lengths)
    ]
    return pa.ListArray.from_arrays(offsets, column(pa.int32(), found))


def at_first(encoded: Encoded, values: Ragged) -> pa.ListArray:
    """The values of each text at its first sequence; the others have none."""
    lengths = np.where(encoded.parts.starts == 0, values.lengths[encoded.parts.texts], 0)
    offsets = column(pa.int32(), offsets_of(lengths).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, column(pa.int32(), values.values.astype(np.int32)))
