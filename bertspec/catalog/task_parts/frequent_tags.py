"""The most frequent tag of each word: how far one comes without a look at the words around it."""

from typing import TYPE_CHECKING

from bertspec.catalog.batch import first_of_each
from bertspec.catalog.task_parts.tags import OUTSIDE

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def frequent_tags(words: "pa.Array", tags: "np.ndarray", unseen: "pa.Array") -> "np.ndarray":
    """For each of the unseen words the tag that it has most often among `words`, the lowest number
    of several; OUTSIDE for a word that is not among them.
    """
    import numpy as np
    from pyarrow import compute as pc

    known = words.dictionary_encode()
    size = int(tags.max(initial=OUTSIDE)) + 1
    pairs = known.indices.to_numpy().astype(np.int64) * size + tags
    pairs, counts = np.unique(pairs, return_counts=True)
    numbers, kinds = np.divmod(pairs, size)
    order = np.lexsort((kinds, -counts, numbers))
    best = np.append(kinds[order][first_of_each(numbers)], OUTSIDE)
    # -1 for an unknown word is the last of them.
    found: np.ndarray = best[pc.index_in(unseen, value_set=known.dictionary).fill_null(-1)]
    return found
