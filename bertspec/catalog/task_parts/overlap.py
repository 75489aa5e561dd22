"""How alike texts are by the words that they share: what can be had without learning."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task_parts.baselines import TOKEN, some_of

if TYPE_CHECKING:
    import numpy as np

BLOCK = 10_000
"""Pairs of texts that are compared at once."""


def word_weights(*texts: Sequence[str]) -> Callable[[Sequence[str]], Any]:
    """Texts -> a sparse matrix of unit vectors: TF-IDF, with the frequencies of `texts`.

    Words are hashed, so that one which none of the texts has counts, too, and most of all.
    """
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.pipeline import make_pipeline

    words = HashingVectorizer(token_pattern=TOKEN, alternate_sign=False, norm=None)
    chosen = [part[i] for part in texts for i in some_of(len(part))]
    model = make_pipeline(words, TfidfTransformer(sublinear_tf=True)).fit(chosen)
    # No text at all is none that scikit-learn hashes.
    return lambda texts: model.transform([*texts, ""])[:-1]


def cosines(one: Any, other: Any, left: "np.ndarray", right: "np.ndarray") -> "np.ndarray":
    """Of the pairs `one[left]` and `other[right]` of rows of `word_weights`; 0 without a word."""
    import numpy as np

    parts = [
        np.asarray(one[left[i : i + BLOCK]].multiply(other[right[i : i + BLOCK]]).sum(axis=1))
        for i in range(0, len(left), BLOCK)
    ]
    return np.concatenate([np.zeros(0), *(part.ravel() for part in parts)])


def best_of_each(scores: "np.ndarray", owners: "np.ndarray") -> "np.ndarray":
    """Place of the highest score of each owner that has one, the first of equal ones.

    `owners` are ascending numbers.
    """
    import numpy as np

    from bertspec.catalog.batch import first_of_each

    return np.lexsort((-scores, owners))[first_of_each(owners)]
