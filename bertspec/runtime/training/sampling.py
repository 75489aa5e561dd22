"""Which rows an epoch of training sees: a function of seed, epoch and targets alone."""

from typing import TYPE_CHECKING

from bertspec.pipeline.params.train import AllRows, Balanced, Sampling

if TYPE_CHECKING:
    import numpy as np

_STREAM = 1
"""Sets the draws of rows apart from those of their order, which has seed and epoch alone."""


def sample(
    sampling: Sampling, labels: "np.ndarray | None", seed: int, epoch: int
) -> "np.ndarray | None":
    """Sequences of an epoch, some of them perhaps several times; None for each once.

    `labels` is the number of each one's label, which only drawing by label needs.
    """
    import numpy as np

    if isinstance(sampling, AllRows) or labels is None:
        return None
    generator = np.random.default_rng([seed, epoch, _STREAM])
    by_label = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if isinstance(sampling, Balanced):
        counts = _even(len(labels), len(by_label), generator)
    else:
        counts = [min(len(rows), sampling.per_label) for rows in by_label]
    drawn = [_draw(rows, count, generator) for rows, count in zip(by_label, counts, strict=True)]
    return np.concatenate([np.zeros(0, np.int64), *drawn])


def epoch_size(sampling: Sampling, lengths: "np.ndarray", labels: "np.ndarray | None") -> int:
    """How many of `lengths` each epoch sees; the same in all, so that steps can be counted."""
    rows = sample(sampling, labels, seed=0, epoch=0)
    return len(lengths) if rows is None else len(rows)


def _even(total: int, labels: int, generator: "np.random.Generator") -> list[int]:
    """`total` divided evenly; which labels get one of the rest is drawn."""
    import numpy as np

    counts = np.full(labels, total // max(labels, 1))
    counts[generator.permutation(labels)[: total % max(labels, 1)]] += 1
    return counts.tolist()


def _draw(rows: "np.ndarray", count: int, generator: "np.random.Generator") -> "np.ndarray":
    """`count` of the rows: all of them as often as they fit in, and the rest without repeats."""
    import numpy as np

    times, rest = divmod(count, len(rows))
    return np.concatenate([np.tile(rows, times), generator.permutation(rows)[:rest]])
