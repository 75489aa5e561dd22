"""Metrics of tagged words, as seqeval defines them, from the predictions table alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.metrics.counting import ratio
from bertspec.catalog.task import Measure
from bertspec.catalog.task_parts.tags import Entities, Tagging

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

GOLD, PREDICTED, RIGHT = range(3)
"""What is counted of the entities of each row and type."""

METRICS = (
    "precision",
    "recall",
    "f1",
    "f1_macro",
    "accuracy",
    "precision_strict",
    "recall_strict",
    "f1_strict",
)


def measurer(names: Sequence[str], tagging: Tagging, predictions: "pa.Table") -> Measure:
    """Metrics of a table with `gold` and `prediction`, lists of tags of equal length.

    An entity is right if its words and its type are. Precision, recall and F1 are over the
    entities of all types, and 0 where there are none; `f1_macro` is the mean over the types that
    occur in gold or predictions. These read tags as conlleval does, see `Tagging.read`; those
    with `_strict` as seqeval's strict mode. Accuracy is of words, and left out where there are
    none.
    """
    import numpy as np

    gold, predicted, offsets = _tags_of(predictions, tagging)
    lengths = np.diff(offsets)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    right_words = np.bincount(rows[gold == predicted], minlength=len(lengths))
    right, said = tagging.read(gold, offsets), tagging.read(predicted, offsets)
    shape = len(lengths), len(tagging.labels)
    counts = {"": _counts(right, said, rows, shape)}
    if any(name.endswith("_strict") for name in names):
        right = _some(right, tagging.are_strict(right, gold))
        said = _some(said, tagging.are_strict(said, predicted))
        counts["strict"] = _counts(right, said, rows, shape)

    # Of floats a product is far faster, and whole numbers of this size are exact.
    flat = {mode: values.reshape(len(lengths), -1).astype(float) for mode, values in counts.items()}

    def measure(times: "np.ndarray") -> Mapping[str, float]:
        sums = {mode: (times @ values).reshape(-1, 3) for mode, values in flat.items()}
        words = int(times @ lengths)
        values = {}
        for name in names:
            kind, _, mode = name.partition("_")
            if name == "f1_macro":
                values[name] = _macro(sums[""])
            elif name != "accuracy":
                values[name] = float(_metric(kind, sums[mode].sum(axis=0)))
            elif words:
                values[name] = int(times @ right_words) / words
        return values

    return measure


def measure_types(tagging: Tagging, predictions: "pa.Table") -> Mapping[str, Mapping[str, float]]:
    """Precision, recall and F1 of each type of entities, and how many `rows`, entities, it has."""
    import numpy as np

    gold, predicted, offsets = _tags_of(predictions, tagging)
    rows = np.zeros(len(gold), np.int64)
    sides = tagging.read(gold, offsets), tagging.read(predicted, offsets)
    (counts,) = _counts(*sides, rows, (1, len(tagging.labels)))
    by_metric = {name: _metric(name, counts) for name in ("precision", "recall", "f1")}
    return {
        label: {name: float(values[i]) for name, values in by_metric.items()}
        | {"rows": int(counts[i, GOLD])}
        for i, label in enumerate(tagging.labels)
    }


def wrong_entities(tagging: Tagging, predictions: "pa.Table") -> "np.ndarray":
    """Of each row, how many entities were missed or are none, (rows,)."""
    import numpy as np

    gold, predicted, offsets = _tags_of(predictions, tagging)
    rows = np.repeat(np.arange(len(predictions)), np.diff(offsets))
    sides = tagging.read(gold, offsets), tagging.read(predicted, offsets)
    counts = _counts(*sides, rows, (len(predictions), len(tagging.labels))).sum(axis=1)
    wrong: np.ndarray = counts[:, GOLD] + counts[:, PREDICTED] - 2 * counts[:, RIGHT]
    return wrong


def entities_of(
    tagging: Tagging, tags: Sequence[str], words: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Label and words of each entity of a row."""
    import numpy as np

    numbers = np.array([tagging.names.index(tag) for tag in tags], np.int64)
    found = tagging.read(numbers, np.array([0, len(numbers)]))
    for start, end, kind in zip(found.starts, found.ends, found.types, strict=True):
        yield tagging.labels[kind], " ".join(words[start:end])


def _tags_of(
    predictions: "pa.Table", tagging: Tagging
) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Numbers of the gold and the predicted tags of all words, and where each row's begin."""
    import numpy as np

    gold, predicted = (_tags(predictions[name], tagging) for name in ("gold", "prediction"))
    lengths = predictions["gold"].combine_chunks().value_lengths().to_numpy()
    return gold, predicted, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _tags(column: "pa.ChunkedArray", tagging: Tagging) -> "np.ndarray":
    import pyarrow as pa
    from pyarrow import compute as pc

    known = pa.array(tagging.names, pa.string())
    return pc.index_in(column.combine_chunks().flatten(), value_set=known).to_numpy()


def _some(entities: Entities, chosen: "np.ndarray") -> Entities:
    return Entities(entities.starts[chosen], entities.ends[chosen], entities.types[chosen])


def _counts(
    gold: Entities, predicted: Entities, rows: "np.ndarray", shape: tuple[int, int]
) -> "np.ndarray":
    """Entities of each row and type: GOLD, PREDICTED and RIGHT, (rows, types, 3)."""
    import numpy as np

    # At most one entity of a side begins at a word.
    end, kind = (np.full(len(rows), -1, np.int64) for _ in range(2))
    end[gold.starts], kind[gold.starts] = gold.ends, gold.types
    places = predicted.starts
    right = _some(predicted, (end[places] == predicted.ends) & (kind[places] == predicted.types))
    counts = np.zeros((*shape, 3), np.int32)
    for column, side in ((GOLD, gold), (PREDICTED, predicted), (RIGHT, right)):
        np.add.at(counts[..., column], (rows[side.starts], side.types), 1)
    return counts


def _metric(name: str, counts: "np.ndarray") -> "np.ndarray":
    """Of counts whose last axis is GOLD, PREDICTED, RIGHT; 0 where nothing is divided."""
    return ratio(name, counts[..., RIGHT], counts[..., GOLD], counts[..., PREDICTED])


def _macro(counts: "np.ndarray") -> float:
    occurring = counts[(counts[:, GOLD] > 0) | (counts[:, PREDICTED] > 0)]
    return float(_metric("f1", occurring).mean()) if len(occurring) else 0.0
