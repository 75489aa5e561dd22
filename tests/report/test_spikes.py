"""Spikes of the loss, against the rule as scipy computes it."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from bertspec.runtime.reporting.spikes import DEVIATIONS, FACTOR, LEAST, WINDOW, spikes


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0])
def test_they_are_those_of_the_rule(scale: float) -> None:
    random = np.random.default_rng(7)
    noise = random.normal(0, scale, 3001) + (random.random(3001) < 0.01) * 8 * scale
    losses = np.exp(noise - np.linspace(0, 5, 3001))
    expected = []
    for step in range(LEAST, len(losses)):
        before = losses[max(0, step - WINDOW) : step]
        middle = np.sort(before)[len(before) // 2]
        # About the upper of two medians, and not their mean.
        far = np.median(np.abs(np.log(before / middle)))
        near = median_abs_deviation(np.log(before))
        assert far == pytest.approx(near, abs=0.2 * scale)
        if losses[step] > FACTOR * middle and np.log(losses[step] / middle) > DEVIATIONS * far:
            expected.append(step)
    found = spikes([(float(i), float(loss)) for i, loss in enumerate(losses)])
    assert found.count == len(expected)
    assert {step for step, _ in found.highest} <= set(expected)
    top = sorted(expected, key=lambda step: -losses[step])[:5]
    assert [step for step, _ in found.highest] == sorted(top)


@pytest.mark.parametrize(
    "losses",
    [[], [1.0], [1.0] * 300, [0.0] * 200 + [1.0], [1.0] * (LEAST - 1) + [100.0],
     [1.0] * 50 + [1.9] + [1.0] * 50, [-1.0] * 50 + [1.0]],
)  # fmt: skip
def test_there_is_none(losses: list[float]) -> None:
    assert spikes([(float(i), loss) for i, loss in enumerate(losses)]).count == 0


def test_one_does_not_hide_the_next() -> None:
    losses = [1.0] * 50 + [5.0, 6.0] + [1.0] * 20 + [4.0]
    found = spikes([(float(i), loss) for i, loss in enumerate(losses)])
    assert found.highest == [(50, 5.0), (51, 6.0), (72, 4.0)]
