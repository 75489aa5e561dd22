"""Which tokens of a sequence are hidden, and what stands in their place."""

import hashlib
from typing import TYPE_CHECKING

from pydantic import Field

from bertspec.catalog.batch import Draw
from bertspec.core.model import Model

if TYPE_CHECKING:
    import numpy as np


class Replace(Model):
    """Shares of the hidden tokens; what is left of them stays as it is."""

    mask: float = Field(default=0.8, ge=0, le=1, description="Share that the mask token replaces.")
    random: float = Field(
        default=0.1, ge=0, le=1, description="Share that any token of the vocabulary replaces."
    )


def generator_of(draw: Draw, ids: "np.ndarray") -> "np.random.Generator":
    """A generator for a sequence of token ids.

    A function of its arguments alone, so that neither the batch nor its order matters. Equal
    sequences of a split are masked alike in an epoch.
    """
    import numpy as np

    seeds = f"{draw.seed} {draw.epoch}".encode()
    key = hashlib.blake2b(ids.astype("<i4").tobytes(), digest_size=16, key=seeds).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def choose(
    words: "np.ndarray", own: slice, probability: float, generator: "np.random.Generator"
) -> "np.ndarray":
    """Places of the tokens to hide: all those of some words that have a token in `own`.

    `words` has the number of each token's word, -1 for a token that is not to be hidden. Each word
    is chosen with this probability; where none is, one of them is all the same.
    """
    import numpy as np

    numbers = np.unique(words[own])
    numbers = numbers[numbers >= 0]
    if not len(numbers):
        return numbers
    draws = generator.random(len(numbers))
    chosen = numbers[draws < probability]
    found: np.ndarray = np.isin(words, chosen if len(chosen) else numbers[draws.argmin()])
    return found.nonzero()[0]


def replaced(
    ids: "np.ndarray",
    replace: Replace,
    mask_id: int,
    vocabulary: int,
    generator: "np.random.Generator",
) -> "np.ndarray":
    """What stands in the place of hidden tokens, each drawn for itself (Devlin et al., 2019)."""
    import numpy as np

    kinds = generator.random(len(ids))
    others = generator.integers(vocabulary, size=len(ids))
    stays_or_other = np.where(kinds < replace.mask + replace.random, others, ids)
    return np.where(kinds < replace.mask, mask_id, stays_or_other)
