"""The sentence of a context that has most words of a question: an answer without learning."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.task_parts.overlap import best_of_each, cosines, word_weights

if TYPE_CHECKING:
    import pyarrow as pa

SENTENCE = re.compile(r"\S.*?(?:[.!?]+(?=\s)|[\u3002\uff01\uff1f]|$)", re.MULTILINE)
"""Up to a full stop or the like, those of Chinese and Japanese included, or the end of the line."""


def nearest_sentences(train: "pa.Table", test: "pa.Table") -> Sequence[str]:
    """For each test row the sentence of its context that is most like its question, the first of
    equal ones; empty for an empty context.

    The likeness is the cosine of TF-IDF weights, after the word overlap of Richardson et al.
    (2013) and the sliding window of Rajpurkar et al. (2016).
    """
    import numpy as np

    from bertspec.catalog.encoding.ragged import spread

    known = [s for text in train["context"].unique().to_pylist() for s in sentences(text)]
    words = word_weights(known, train["question"].to_pylist())
    contexts = test["context"].combine_chunks().dictionary_encode()  # many questions have one
    parts = [sentences(text) for text in contexts.dictionary.to_pylist()]
    flat = [sentence for part in parts for sentence in part]
    lengths = np.array([len(part) for part in parts], np.int64)
    firsts, codes = np.cumsum(lengths) - lengths, contexts.indices.to_numpy()
    owners = np.repeat(np.arange(len(test)), lengths[codes])
    places = spread(firsts[codes], lengths[codes])
    questions = words(test["question"].to_pylist())
    likeness = cosines(questions, words(flat), owners, places)
    best = best_of_each(likeness, owners)
    found = [""] * len(test)
    for owner, place in zip(owners[best].tolist(), places[best].tolist(), strict=True):
        found[owner] = flat[place]
    return found


def sentences(text: str) -> list[str]:
    """Parts of a text that end with a full stop, or with a line."""
    return [match.group().rstrip() for match in SENTENCE.finditer(text)]
