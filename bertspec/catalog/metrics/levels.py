"""Scores that differ by rounding alone count as one, so that no threshold lies between them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

NOISE = 1e-6
"""Equal texts have probabilities this close in other batches and runtimes."""


def level_ends(descending: "np.ndarray", noise: float = NOISE) -> "np.ndarray":
    """Where each run of sorted scores ends, that are no more than `noise` from one to the next.

    The last score of run `i` is `descending[ends[i] - 1]`.
    """
    import numpy as np

    ends: np.ndarray = np.flatnonzero(np.diff(descending, append=-np.inf) < -noise) + 1
    return ends
