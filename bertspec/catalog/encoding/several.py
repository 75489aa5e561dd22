"""Examples that are several texts each, such as the choices of a question."""

from typing import Any

import numpy as np
import pyarrow as pa

from bertspec.catalog.batch import EXAMPLE, first_of_each
from bertspec.catalog.encoding.encoder import Encoder, column

_COUNTS = ("length", "lost", "unknown")


def encode_several(
    encoder: Encoder, examples: np.ndarray, texts: pa.Array, pairs: pa.Array | None = None
) -> dict[str, Any]:
    """`Encoded.columns` of texts, or pairs, each of which is a sequence of its example.

    `examples` has the number of each text's example, ascending. The counts of an example are
    summed at its first sequence, and the others have 0. The encoder makes no windows.
    """
    columns = encoder.encode(texts, pairs).columns()
    columns[EXAMPLE] = numbers(examples.astype(np.int32))
    starts = first_of_each(examples)
    for name in _COUNTS:
        sums = np.zeros(len(examples), np.int32)
        sums[starts] = np.add.reduceat(columns[name].to_numpy(), starts)
        columns[name] = numbers(sums)
    return columns


def numbers(values: np.ndarray) -> pa.Array:
    """The values as a column of their own type."""
    return column(pa.from_numpy_dtype(values.dtype), values)
