"""A validation that several processes share: each runs some batches, and all have all of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bertspec.runtime.training.team import Team

if TYPE_CHECKING:
    import numpy as np

Kept = Mapping[int, "np.ndarray"]
"""What the task keeps of each sequence."""

Sums = Mapping[int, tuple[float, float]]
"""Loss and weight of each batch."""


def gathered(team: Team, kept: Kept, sums: Sums) -> tuple[Kept, Sums]:
    """That of all processes; every one calls it, and gets the same."""
    if team.size == 1:
        return kept, sums
    from safetensors.numpy import load, save

    all_kept: dict[int, np.ndarray] = {}
    all_sums: dict[int, tuple[float, float]] = {}
    for data in team.gather(save(_packed(kept, sums))):
        found = load(data)
        sums_of_it = map(tuple, found["sums"].tolist())
        all_sums.update(zip(found["batches"].tolist(), sums_of_it, strict=True))
        all_kept.update(zip(found["rows"].tolist(), _arrays(found), strict=True))
    return all_kept, all_sums


def _packed(kept: Kept, sums: Sums) -> "dict[str, np.ndarray]":
    """Few arrays, as there may be millions of sequences; none of `kept` has another dtype."""
    import numpy as np

    arrays = [np.asarray(array) for array in kept.values()]
    return {
        "rows": np.array([*kept], np.int64),
        "shapes": np.array([a.shape for a in arrays], np.int64).reshape(len(arrays), -1)
        if arrays else np.empty((0, 0), np.int64),
        "values": np.concatenate([a.ravel() for a in arrays]) if arrays else np.empty(0),
        "batches": np.array([*sums], np.int64),
        "sums": np.array([*sums.values()], np.float64).reshape(-1, 2),
    }  # fmt: skip


def _arrays(found: "Mapping[str, np.ndarray]") -> "list[np.ndarray]":
    import numpy as np

    shapes = found["shapes"]
    ends = np.cumsum(shapes.prod(axis=1))
    parts = np.split(found["values"], ends)[: len(ends)]
    return [part.reshape(shape)[()] for part, shape in zip(parts, shapes, strict=True)]
