"""Simple models, so that a reader sees what a large one brings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MOST = 50_000
"""Training rows that a simple model is made of: more of them take long and change little."""

FEATURES = 100_000
"""Most words and pairs of words that it looks at, the commonest ones: they bound its memory."""


def simple_classifiers(
    train: "pa.Table", test: "pa.Table", labels: Sequence[str]
) -> "Mapping[str, np.ndarray]":
    """Probabilities of each label for each test row, (rows, labels).

    `majority` gives every row the shares of the training labels; `bag_of_words` is
    scikit-learn's logistic regression on TF-IDF of words and pairs of words.
    """
    import numpy as np

    numbers = [list(labels).index(label) for label in train["label"].to_pylist()]
    shares = np.bincount(numbers, minlength=len(labels)) / len(numbers)
    found = {"majority": np.tile(shares, (len(test), 1))}
    chosen = np.linspace(0, len(numbers) - 1, min(len(numbers), MOST)).astype(int)
    texts, gold = _texts(train.take(chosen)), np.array(numbers)[chosen]
    if len(np.unique(gold)) > 1 and any(text.strip() for text in texts):
        found["bag_of_words"] = _bag_of_words(texts, gold, _texts(test), len(labels))
    return found


def _bag_of_words(
    texts: Sequence[str], gold: "np.ndarray", unseen: Sequence[str], labels: int
) -> "np.ndarray":
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # A token pattern that every text that is not blank has a token for.
    words = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|\S", max_features=FEATURES
    )
    model = make_pipeline(words, LogisticRegression(max_iter=1000))
    model.fit(texts, gold)
    shares = np.zeros((len(unseen), labels))
    shares[:, model.classes_] = model.predict_proba(unseen)
    return shares


def _texts(rows: "pa.Table") -> list[str]:
    columns = [
        rows[name].to_pylist() for name in ("text", "text_pair") if name in rows.column_names
    ]
    return [" ".join(parts) for parts in zip(*columns, strict=True)]
