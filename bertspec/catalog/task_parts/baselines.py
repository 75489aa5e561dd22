"""Simple models, so that a reader sees what a large one brings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MOST = 50_000
"""Training rows that a simple model is made of: more of them take long and change little."""

FEATURES = 100_000
"""Most words and pairs of words that it looks at, the commonest ones: they bound its memory."""

TOKEN = r"(?u)\w+|\S"
"""What counts as a word. Every text that is not blank has one."""


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
    chosen = some_of(len(numbers))
    texts, gold = _texts(train.take(chosen)), np.array(numbers)[chosen]
    if len(np.unique(gold)) > 1 and _have_words(texts):
        found["bag_of_words"] = _bag_of_words(texts, gold, _texts(test), len(labels))
    return found


def _bag_of_words(
    texts: Sequence[str], gold: "np.ndarray", unseen: Sequence[str], labels: int
) -> "np.ndarray":
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(_words(), LogisticRegression(max_iter=1000))
    model.fit(texts, gold)
    shares = np.zeros((len(unseen), labels))
    shares[:, model.classes_] = model.predict_proba(unseen)
    return shares


def simple_labellers(
    train: "pa.Table", gold: "np.ndarray", unseen: "pa.Table"
) -> "Mapping[str, np.ndarray]":
    """Probabilities of each label for each unseen row, (rows, labels), from (rows, labels) bool.

    `majority` gives every row the share of the training rows that have the label; `bag_of_words`
    is a logistic regression for each label against the rest.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    found = {"majority": np.tile(gold.mean(axis=0), (len(unseen), 1))}
    chosen = some_of(len(gold))
    texts, labels = _texts(train.take(chosen)), gold[chosen]
    if not _have_words(texts):
        return found
    words = _words()
    known, new = words.fit_transform(texts), words.transform(_texts(unseen))
    scores = found["majority"].copy()
    for i in np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0)):
        model = LogisticRegression(max_iter=1000).fit(known, labels[:, i])
        scores[:, i] = model.predict_proba(new)[:, 1]
    return found | {"bag_of_words": scores}


def simple_regressors(
    train: "pa.Table", gold: "np.ndarray", unseen: "pa.Table"
) -> "Mapping[str, np.ndarray]":
    """Numbers for each unseen row, (rows, targets), from (rows, targets) numbers.

    `mean` gives every row the mean of the training rows; `bag_of_words` is scikit-learn's ridge
    regression on TF-IDF of words and pairs of words.
    """
    import numpy as np
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    found = {"mean": np.tile(gold.mean(axis=0), (len(unseen), 1))}
    chosen = some_of(len(gold))
    texts = _texts(train.take(chosen))
    if _have_words(texts):
        model = make_pipeline(_words(), Ridge()).fit(texts, gold[chosen])
        found["bag_of_words"] = model.predict(_texts(unseen)).reshape(-1, gold.shape[1])
    return found


def some_of(count: int) -> "np.ndarray":
    """Numbers of MOST of `count` rows, or of all of them, from the first to the last."""
    import numpy as np

    return np.linspace(0, count - 1, min(count, MOST)).astype(int)


def _words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=TOKEN, max_features=FEATURES
    )


def _have_words(texts: Sequence[str]) -> bool:
    return any(text.strip() for text in texts)


def _texts(rows: "pa.Table") -> list[str]:
    columns = [
        rows[name].to_pylist() for name in ("text", "text_pair") if name in rows.column_names
    ]
    return [" ".join(parts) for parts in zip(*columns, strict=True)]
