"""How well texts are found by the vectors of others."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import Measure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

RETRIEVAL = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr")
TRIPLETS = ("triplet_accuracy",)

TIE = 1e-6
"""Similarities that differ by less count as equal: so much comes from the order of additions."""

BLOCK = 256
"""Texts that are compared with all others at once."""


def ranks(queries: Any, found: Any, texts: "pa.ChunkedArray") -> "Sequence[int]":
    """For each query the rank, from 1, of its own text among the distinct `texts`.

    `queries` and `found` are unit vectors, (rows, size), in an array or a sparse matrix; row by row
    they belong together. A text that is as near as the right one stands before it.
    """
    import numpy as np
    from scipy.sparse import issparse

    encoded = texts.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    firsts = np.unique(codes, return_index=True)[1]
    sparse = issparse(found)
    if sparse:  # columns without a number are most of them
        used = np.unique(found.indices)
        queries, found = queries[:, used], found[:, used]
    candidates = found[firsts].astype(np.float32)
    result: list[int] = []
    for start in range(0, queries.shape[0], BLOCK):
        block = queries[start : start + BLOCK].astype(np.float32)
        similarity = (candidates @ block.T.toarray()).T if sparse else block @ candidates.T
        right = np.take_along_axis(similarity, codes[start : start + BLOCK, None], axis=1)
        result += (similarity >= right - TIE).sum(axis=1).tolist()
    return result


def measurer(names: Sequence[str], predictions: "pa.Table") -> Measure:
    """Metrics of a table with `rank`, and for triplets `prediction` and `negative_similarity`.

    `recall_at_k` is the share of texts whose pair is among the k nearest, `mrr` the mean of one
    divided by the rank, and `triplet_accuracy` the share of texts that are nearer to their pair
    than to their negative.
    """
    import numpy as np

    rank = predictions["rank"].to_numpy()
    values = {"mrr": 1 / rank}
    values |= {f"recall_at_{k}": np.where(rank <= k, 1.0, 0.0) for k in (1, 5, 10)}
    if "negative_similarity" in predictions.column_names:
        near, far = (predictions[n].to_numpy() for n in ("prediction", "negative_similarity"))
        values["triplet_accuracy"] = np.where(near > far, 1.0, 0.0)

    def measure(counts: "np.ndarray") -> Mapping[str, float]:
        return {n: float(np.average(values[n], weights=counts)) for n in names if n in values}

    return measure
