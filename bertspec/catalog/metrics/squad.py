"""Exact match and F1 of answers, as SQuAD's evaluation scripts define them; shares of 1."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.task import Measure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

METRICS = (
    "exact_match",
    "f1",
    "exact_match_answerable",
    "f1_answerable",
    "exact_match_unanswerable",
)

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """Lower case, without ASCII punctuation, articles and superfluous white space."""
    text = answer.lower().translate(_WITHOUT_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def scores(gold: Sequence[str], prediction: str) -> tuple[float, float]:
    """Exact match and F1 of a prediction, the best over the right answers.

    The prediction "" is that there is no answer. As in evaluate-v2.0.py that is right where no
    right answer has a word; evaluate-v1.1.py gives the same wherever all of them have one.
    """
    right = [text for text in map(normalised, gold) if text] or [""]
    said = normalised(prediction)
    return float(said in right), max(_f1(text.split(), said.split()) for text in right)


def _f1(gold: list[str], said: list[str]) -> float:
    if not gold or not said:
        return float(gold == said)
    same = (Counter(gold) & Counter(said)).total()
    if not same:
        return 0.0
    precision, recall = same / len(said), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def row_scores(predictions: "pa.Table") -> "np.ndarray":
    """(rows, 2) exact match and F1 of a table of predictions."""
    import numpy as np

    pairs = zip(*(predictions[name].to_pylist() for name in ("gold", "prediction")), strict=True)
    return np.array([scores(gold, said) for gold, said in pairs]).reshape(-1, 2)


def measurer(names: Sequence[str], predictions: "pa.Table") -> Measure:
    """See `Task.measurer`. Those of answerable rows are left out where there are none, and so on.

    Answerable are rows with a right answer.
    """
    import numpy as np
    from pyarrow import compute as pc

    exact, f1 = row_scores(predictions).T
    counts = pc.list_value_length(predictions["gold"]).to_numpy()
    every, answerable = np.ones(len(exact), bool), counts > 0
    table = dict(
        zip(
            METRICS,
            [
                (exact, every),
                (f1, every),
                (exact, answerable),
                (f1, answerable),
                (exact, ~answerable),
            ],
            strict=True,
        )
    )

    def measure(times: "np.ndarray") -> dict[str, float]:
        found = {name: (table[name][0], times * table[name][1]) for name in names}
        return {
            name: float(np.average(values, weights=each))
            for name, (values, each) in found.items()
            if each.any()
        }

    return measure
