"""Rows of a predictions table of tagged words, from what a model says of sequences of tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Tokens
from bertspec.catalog.task_parts.tags import OUTSIDE, Entities

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def word_offsets(rows: "pa.Table", tokens: Tokens) -> "np.ndarray":
    """Where the words of each row begin when those of all rows stand in one line."""
    import numpy as np

    if "tokens" in rows.column_names:
        counts = rows["tokens"].combine_chunks().value_lengths().to_numpy()
    else:  # all words of a text stand at its first sequence
        counts = tokens.columns["word_starts"].combine_chunks().value_lengths().to_numpy()
        counts = counts[np.diff(tokens.examples, prepend=-1) > 0]
    return offsets_of(counts)


def offsets_of(counts: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def words_of_texts(rows: "pa.Table", tokens: Tokens, offsets: "np.ndarray") -> "pa.Array":
    """All words of the texts; see `word_offsets`."""
    import numpy as np
    import pyarrow as pa

    texts = rows["text"].to_pylist()
    owners = np.repeat(np.arange(len(texts)), np.diff(offsets)).tolist()
    bounds = (tokens.items(name).tolist() for name in ("word_starts", "word_ends"))
    words = [texts[owner][start:end] for owner, start, end in zip(owners, *bounds, strict=True)]
    return pa.array(words, pa.string())


def lists_of(values: "pa.Array", offsets: "np.ndarray") -> "pa.ListArray":
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def log_probabilities(
    tokens: Tokens, kept: "Sequence[np.ndarray]", offsets: "np.ndarray", tags: int
) -> "tuple[np.ndarray, np.ndarray]":
    """Of each tag of each word, (words, tags) float64, from the logits of the word's first token.

    And which words the model has seen, (words,) bool. One that it has not seen is OUTSIDE.
    """
    import numpy as np

    scores = np.full((int(offsets[-1]), tags), -np.inf)
    scores[:, OUTSIDE] = 0.0
    numbers = tokens.items("words")
    firsts = np.flatnonzero(numbers >= 0)
    words = offsets[np.repeat(tokens.examples, tokens.lengths)[firsts]] + numbers[firsts]
    logits = np.concatenate(kept)[firsts].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    scores[words] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    seen = np.zeros(len(scores), bool)
    seen[words] = True
    return scores, seen


def entity_type() -> "pa.StructType":
    """What an entity is in a table."""
    import pyarrow as pa

    places = [("start", pa.int32()), ("end", pa.int32())]
    return pa.struct([("label", pa.string()), *places, ("text", pa.string()),
                      ("score", pa.float32())])  # fmt: skip


def entity_lists(
    entities: Entities,
    labels: Sequence[str],
    probabilities: "np.ndarray",
    offsets: "np.ndarray",
    rows: "pa.Table",
    tokens: Tokens,
) -> "pa.ListArray":
    """The entities of each row, as structs of `entity_type`.

    Start and end are numbers of words, and the text is the words with spaces between; of texts
    they are numbers of characters. The score is the mean of the words' `probabilities`.
    """
    import numpy as np
    import pyarrow as pa

    owners = np.searchsorted(offsets, entities.starts, side="right") - 1
    starts, ends = entities.starts - offsets[owners], entities.ends - offsets[owners]
    if "tokens" in rows.column_names:
        column, between = rows["tokens"], " "
    else:
        column, between = rows["text"], ""
        starts = tokens.items("word_starts")[entities.starts]
        ends = tokens.items("word_ends")[entities.ends - 1]
    sums = np.concatenate([[0.0], np.cumsum(probabilities)])
    scores = (sums[entities.ends] - sums[entities.starts]) / (entities.ends - entities.starts)
    chosen, places = np.unique(owners, return_inverse=True)
    values = column.take(pa.array(chosen)).to_pylist()
    texts = [
        between.join(values[place][start:end])
        for place, start, end in zip(places, starts, ends, strict=True)
    ]
    columns = [
        pa.array(labels, pa.string()).take(pa.array(entities.types)),
        pa.array(starts, pa.int32()),
        pa.array(ends, pa.int32()),
        pa.array(texts, pa.string()),
        pa.array(scores, pa.float32()),
    ]
    structs = pa.StructArray.from_arrays(columns, fields=list(entity_type()))
    return lists_of(structs, np.searchsorted(owners, np.arange(len(offsets))))
