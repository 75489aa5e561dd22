"""Steps whose loss stands out from those before them."""

import math
from bisect import insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

WINDOW = 100
"""Steps before a step, with which it is compared."""

LEAST = 20
"""No step is told of with fewer before it."""

DEVIATIONS = 5
"""So many median absolute deviations of the window's logarithms are far."""

FACTOR = 2
"""And so many times its median: on a plateau, deviations are next to nothing."""

SHOWN = 5


@dataclass(frozen=True)
class Spikes:
    """What the page tells of them."""

    count: int
    highest: Sequence[tuple[int, float]]
    """Step and loss of a few, in the order of the steps."""
    factor: int = FACTOR
    window: int = WINDOW
    deviations: int = DEVIATIONS


def spikes(losses: Sequence[tuple[float, float]]) -> Spikes:
    """Find them among pairs of step and loss.

    The distance is one of logarithms: the losses of batches are skewed, and fall by powers of ten.
    """
    found = list(_found(losses))
    highest = sorted(found, key=lambda spike: -spike[1])[:SHOWN]
    return Spikes(len(found), sorted(highest))


def _found(losses: Sequence[tuple[float, float]]) -> Iterator[tuple[int, float]]:
    window: deque[float] = deque()
    ordered: list[float] = []
    for step, loss in losses:
        if len(window) >= LEAST:
            # The median, but for an even number the upper one of two, which is enough here.
            middle = ordered[len(ordered) // 2]
            if loss > FACTOR * middle > 0 and _is_far(loss, middle, ordered):
                yield int(step), loss
        window.append(loss)
        insort(ordered, loss)
        if len(window) > WINDOW:
            ordered.remove(window.popleft())


def _is_far(loss: float, middle: float, ordered: Sequence[float]) -> bool:
    deviation = median(abs(_log(value / middle)) for value in ordered)
    return _log(loss / middle) > DEVIATIONS * deviation


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 0 else -math.inf
