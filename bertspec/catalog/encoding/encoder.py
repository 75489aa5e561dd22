"""Turns columns of text into token ids."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from bertspec.catalog.encoding.frame import Frame
from bertspec.catalog.encoding.memo import Memo
from bertspec.catalog.encoding.probe import learn
from bertspec.catalog.encoding.ragged import Ragged, encode_texts, total
from bertspec.catalog.encoding.rules import safe_cut
from bertspec.catalog.encoding.words import Text
from bertspec.core.errors import InputError


@dataclass(frozen=True)
class Encoded:
    """Token ids of rows, special tokens in, and what they were before they were truncated."""

    input_ids: pa.ListArray
    """list<int32>"""

    token_type_ids: pa.ListArray
    """list<int8>"""

    lengths: np.ndarray
    """int32: tokens of each row if it were not truncated, special tokens in."""

    unknown: np.ndarray
    """int32: unknown tokens among these; 0 where the tokenizer has none."""


class Encoder:
    """Gives the ids of `encode_batch` with truncation to `max_length`, the longer of a pair first.

    Where the tokenizer allows, each word is encoded once, and rows are put together from words.
    It remembers words, so one encoder for all columns of a data set is faster than several.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        text = tokenizer.to_str()
        self._tokenizer = Tokenizer.from_str(text)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = tokenizer.encode_special_tokens
        self._max_length = max_length
        parts = json.loads(text)
        self._unknown = _unknown_id(parts["model"])
        self._cut = safe_cut(parts)
        self._memo = Memo(self._tokenizer)
        self._frames: dict[int, Frame] = {}

    def encode(
        self, texts: pa.Array | pa.ChunkedArray, pairs: pa.Array | pa.ChunkedArray | None = None
    ) -> Encoded:
        """Columns of text without nulls: one row a text, or a text and its pair.

        Raises InputError (E312) for special tokens that cannot be followed, or that do not fit
        into `max_length`.
        """
        columns = [texts] if pairs is None else [texts, pairs]
        frame = self._frame(len(columns))
        sides = [self._ids(column) for column in columns]
        ids, types = frame.around(sides, self._max_length - frame.size)
        offsets = _column(pa.int32(), ids.offsets.astype(np.int32))
        return Encoded(
            input_ids=pa.ListArray.from_arrays(offsets, _column(pa.int32(), ids.values)),
            token_type_ids=pa.ListArray.from_arrays(offsets, _column(pa.int8(), types)),
            lengths=(total([s.lengths for s in sides]) + frame.size).astype(np.int32),
            unknown=total([s.count(self._unknown) for s in sides]).astype(np.int32),
        )

    def _ids(self, column: pa.Array | pa.ChunkedArray) -> Ragged:
        if self._cut is None:
            return encode_texts(self._tokenizer, column.to_pylist())
        return self._memo.encode(self._cut(Text.of(column)))

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


def _column(kind: pa.DataType, values: np.ndarray) -> pa.Array:
    """What `pa.array` makes of the values; that would import pandas."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _unknown_id(model: dict[str, Any]) -> int | None:
    """The id of the unknown token, by what the tokenizer's JSON says of its model."""
    if model["type"] == "Unigram":
        found = model["unk_id"]
    else:
        found = model["vocab"].get(model.get("unk_token"))
    return None if found is None else int(found)
