"""Simple models, so that a reader sees what a large one brings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MOST = 50_000
"""Training rows that a simple model is made of: more of them take long and change little."""


def simple_classifiers(
    train: "pa.Table", test: "pa.Table", labels: Sequence[str]
) -> "Mapping[str, np.ndarray]":
    """Probabilities of each label for each test row, (rows, labels).

    `majority` gives every row the shares of the training labels; `bag_of_words` is
    scikit-learn's logistic regression on TF-IDF of words and pairs of words.
    """
    import numpy as np

    texts, gold = _texts(train), np.array(train["label"].to_pylist())
    counts = Counter(gold.tolist())
    shares = np.array([counts[label] / len(gold) for label in labels])
    found = {"majority": np.tile(shares, (len(test), 1))}
    if len(counts) > 1 and any(not text.isspace() and text for text in texts):
        found["bag_of_words"] = _bag_of_words(texts, gold, _texts(test), labels)
    return found


def _bag_of_words(
    texts: Sequence[str], gold: "np.ndarray", unseen: Sequence[str], labels: Sequence[str]
) -> "np.ndarray":
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    chosen = np.linspace(0, len(texts) - 1, min(len(texts), MOST)).astype(int)
    # A token pattern that every text with a letter in it has a token for.
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|\S")
    model = make_pipeline(words, LogisticRegression(max_iter=1000))
    model.fit([texts[i] for i in chosen], gold[chosen])
    shares = np.zeros((len(unseen), len(labels)))
    place = [list(labels).index(label) for label in model.classes_.tolist()]
    shares[:, place] = model.predict_proba(unseen)
    return shares


def _texts(rows: "pa.Table") -> list[str]:
    columns = [
        rows[name].to_pylist() for name in ("text", "text_pair") if name in rows.column_names
    ]
    return [" ".join(parts) for parts in zip(*columns, strict=True)]
