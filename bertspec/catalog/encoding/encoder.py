"""Turns columns of text into token ids."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from bertspec.catalog.batch import EXAMPLE
from bertspec.catalog.encoding.frame import Frame, fit
from bertspec.catalog.encoding.memo import Memo
from bertspec.catalog.encoding.parts import Parts, beginnings, head_and_tail, windows
from bertspec.catalog.encoding.probe import learn
from bertspec.catalog.encoding.ragged import Ragged, encode_texts, total
from bertspec.catalog.encoding.rules import safe_cut
from bertspec.catalog.encoding.words import Text
from bertspec.catalog.long_documents import Aggregate, HeadTail, LongDocuments, Truncate, Windows
from bertspec.core.errors import InputError


@dataclass(frozen=True)
class Encoded:
    """Token ids of sequences, special tokens in, and of what they are.

    A row has one sequence, or with windows several, in order.
    """

    input_ids: pa.ListArray
    """list<int32>"""

    token_type_ids: pa.ListArray
    """list<int8>"""

    parts: Parts
    """What each sequence has of its row's text, or of the second text of a pair."""

    places: np.ndarray
    """Where in each sequence this part begins."""

    lengths: np.ndarray
    """int32: tokens of the row if it were one sequence, special tokens in. It stands at the row's
    first sequence, and the others have 0; so do the next two.
    """

    lost: np.ndarray
    """int32: tokens of the row that no sequence has."""

    unknown: np.ndarray
    """int32: unknown tokens among those of the row; 0 where the tokenizer has none."""

    def columns(self) -> dict[str, Any]:
        """The columns that every table of sequences has, see `Task.encode`."""
        return {
            EXAMPLE: column(pa.int32(), self.parts.texts.astype(np.int32)),
            "input_ids": self.input_ids,
            "token_type_ids": self.token_type_ids,
            "length": column(pa.int32(), self.lengths),
            "lost": column(pa.int32(), self.lost),
            "unknown": column(pa.int32(), self.unknown),
        }


@dataclass(frozen=True)
class Tokens:
    """Tokens of a column of texts, without special tokens, and what of the text each is."""

    ids: Ragged
    words: Ragged
    """Number of each token's word."""
    starts: Ragged
    """First character of each token, and the one behind its last, counted in the text; for texts
    that come as words, counted in the word.
    """
    ends: Ragged


class Encoder:
    """Gives the ids of `encode_batch` with truncation to `max_length`, the longer of a pair first;
    or what else `long_documents` makes of long texts.

    Where the tokenizer allows, each word is encoded once, and rows are put together from words.
    It remembers words, so one encoder for all columns of a data set is faster than several.
    """

    def __init__(
        self, tokenizer: Tokenizer, max_length: int, long_documents: LongDocuments | None = None
    ) -> None:
        text = tokenizer.to_str()
        self._tokenizer = Tokenizer.from_str(text)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = tokenizer.encode_special_tokens
        self._max_length = max_length
        self._long_documents = long_documents or Truncate()
        parts = json.loads(text)
        self._unknown = _unknown_id(parts["model"])
        self._cut = safe_cut(parts)
        self._memo = Memo(self._tokenizer)
        self._frames: dict[int, Frame] = {}

    @property
    def aggregate(self) -> Aggregate | None:
        """How the scores of a text's sequences become one; None where each has one."""
        policy = self._long_documents
        return policy.aggregate if isinstance(policy, Windows) else None

    @property
    def max_length(self) -> int:
        """Most tokens of a sequence, special tokens included."""
        return self._max_length

    @property
    def tokenizer(self) -> Tokenizer:
        """Without padding and truncation."""
        return self._tokenizer

    def encode(
        self, texts: pa.Array | pa.ChunkedArray, pairs: pa.Array | pa.ChunkedArray | None = None
    ) -> Encoded:
        """Columns of text without nulls: a text a row, or a text and its pair.

        Raises InputError (E312) as `sequences` does.
        """
        columns = [texts] if pairs is None else [texts, pairs]
        return self.sequences([self.ids(column) for column in columns])

    def sequences(self, texts: Sequence[Ragged]) -> Encoded:
        """The first, and perhaps the second, text of each row as token ids.

        Raises InputError (E312) for special tokens that cannot be followed, or that do not fit
        into `max_length`, alone or with windows.
        """
        frame, policy = self._frame(len(texts)), self._long_documents
        room = self._max_length - frame.size
        lengths = [text.lengths for text in texts]
        if isinstance(policy, Windows):
            kept, parts = self._windows(lengths, room, policy.stride)
        else:
            *kept, last = fit(lengths, room)
            parts = beginnings(last)
        if isinstance(policy, HeadTail):
            sides = [
                head_and_tail(text, k, policy.head)
                for text, k in zip(texts, [*kept, parts.ends], strict=True)
            ]
        else:
            sides = [
                beginnings(k[parts.texts], parts.texts).of(text)
                for text, k in zip(texts, kept, strict=False)
            ]
            sides.append(parts.of(texts[-1]))
        ids, types = frame.around(sides, room)
        offsets = column(pa.int32(), ids.offsets.astype(np.int32))
        before = frame.size - len(frame.ids[-1]) + total([s.lengths for s in sides[:-1]])
        lost = total([n - k for n, k in zip(lengths, kept, strict=False)])
        lost = lost + (0 if isinstance(policy, Windows) else lengths[-1] - parts.ends)
        is_first = parts.starts == 0

        def at_first(counts: np.ndarray) -> np.ndarray:
            return np.where(is_first, counts[parts.texts], 0).astype(np.int32)

        return Encoded(
            input_ids=pa.ListArray.from_arrays(offsets, column(pa.int32(), ids.values)),
            token_type_ids=pa.ListArray.from_arrays(offsets, column(pa.int8(), types)),
            parts=parts,
            places=np.broadcast_to(before, parts.texts.shape),
            lengths=at_first(total(lengths) + frame.size),
            lost=at_first(np.broadcast_to(lost, lengths[0].shape)),
            unknown=at_first(total([s.count(self._unknown) for s in texts])),
        )

    def ids(self, column: pa.Array | pa.ChunkedArray) -> Ragged:
        """Token ids of texts, without special tokens."""
        if self._cut is None:
            return encode_texts(self._tokenizer, column.to_pylist())
        return self._memo.encode(self._cut(Text.of(column)))

    def tokens(self, texts: Sequence[str] | Sequence[Sequence[str]], *, as_words: bool) -> Tokens:
        """Tokens of texts; of texts that are given as lists of words, with `as_words`."""
        encodings = self._tokenizer.encode_batch(
            texts, is_pretokenized=as_words, add_special_tokens=False
        )
        return Tokens(
            ids=Ragged.of([e.ids for e in encodings]),
            words=Ragged.of([[-1 if w is None else w for w in e.word_ids] for e in encodings]),
            starts=Ragged.of([[start for start, _ in e.offsets] for e in encodings]),
            ends=Ragged.of([[end for _, end in e.offsets] for e in encodings]),
        )

    def _windows(
        self, lengths: Sequence[np.ndarray], room: int, stride: int
    ) -> tuple[list[np.ndarray], Parts]:
        """How much of the first text of a pair is kept, and the windows over the last text."""
        least = 2 * stride + 1
        if room < least:
            raise InputError.of(
                "E312",
                f"windows that share {stride} tokens need room for {least}, and a sequence has "
                f"room for {room} beside its special tokens",
                "raise `tokenization.max_length`, or lower `long_documents.stride`",
            )
        kept = [np.minimum(text, room - least) for text in lengths[:-1]]
        rooms = np.broadcast_to(room - total(kept), lengths[-1].shape)
        return kept, windows(lengths[-1], rooms, stride)

    def _frame(self, sides: int) -> Frame:
        if sides not in self._frames:
            frame = learn(self._tokenizer, sides)
            if frame.size > self._max_length:
                raise InputError.of(
                    "E312",
                    f"tokenizer.json adds {frame.size} special tokens, and `max_length` is "
                    f"{self._max_length}",
                    "raise `tokenization.max_length`",
                )
            self._frames[sides] = frame
        return self._frames[sides]


def column(kind: pa.DataType, values: np.ndarray) -> pa.Array:
    """What `pa.array` makes of the values; that would import pandas."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def text_column(texts: Sequence[str]) -> pa.StringArray | pa.ChunkedArray:
    """The same of texts. Lone surrogates, which UTF-8 has not, become question marks."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)])
    if offsets[-1] > np.iinfo(np.int32).max:  # in a single array there is no room for them
        return pa.array(encoded, pa.large_string())
    return pa.StringArray.from_buffers(
        len(encoded), pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(b"".join(encoded))
    )


def _unknown_id(model: dict[str, Any]) -> int | None:
    """The id of the unknown token, by what the tokenizer's JSON says of its model."""
    if model["type"] == "Unigram":
        found = model["unk_id"]
    else:
        found = model["vocab"].get(model.get("unk_token"))
    return None if found is None else int(found)
