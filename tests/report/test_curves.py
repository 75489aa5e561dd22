"""Curves: round numbers on the axes, and every line within the picture."""

import numpy as np
import pytest

from bertspec.runtime.reporting.curves import (
    BOTTOM,
    BUCKETS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    plot,
    smoothed,
    thinned,
)


def _plot(*points: tuple[float, float]) -> tuple[list[str], list[str], list[tuple[float, float]]]:
    drawn = plot("t", "x", [Series("a", points, "first")])
    places = [tuple(map(float, p.split(","))) for p in drawn.lines[0].points.split()]
    labels = [t.label for t in drawn.x_ticks], [t.label for t in drawn.y_ticks]
    return *labels, [(x, y) for x, y in places]


def test_up_is_more_and_right_is_later() -> None:
    _, _, ((x0, y0), (x1, y1)) = _plot((0, 1.0), (10, 3.0))
    assert x0 < x1
    assert y0 > y1


@pytest.mark.parametrize(
    ("points", "x_labels", "y_labels"),
    [
        ([(0, 1.0), (10, 3.0)], ["0", "2", "4", "6", "8", "10"],
         ["1.0", "1.5", "2.0", "2.5", "3.0"]),
        ([(1, 0.69), (3, 0.71)], ["1", "2", "3"], ["0.690", "0.695", "0.700", "0.705", "0.710"]),
        ([(0, 0.0), (40_000, 2e-4)], ["0", "10,000", "20,000", "30,000", "40,000"],
         ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]),
        ([(0, -2.0), (1, 2.0)], ["0", "1"], ["-2", "-1", "0", "1", "2"]),
        ([(1, 2.0)], ["1"], ["1.0", "1.5", "2.0", "2.5", "3.0"]),
    ],
)  # fmt: skip
def test_axes_have_round_numbers(
    points: list[tuple[float, float]], x_labels: list[str], y_labels: list[str]
) -> None:
    found_x, found_y, _ = _plot(*points)
    assert found_x == x_labels
    assert found_y == y_labels


@pytest.mark.parametrize("seed", range(40))
def test_every_point_is_within_the_axes_and_no_two_ticks_read_alike(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 60))
    scale = 10.0 ** random.integers(-8, 6)
    values = random.normal(random.normal() * 5, 1, count) * scale
    x_labels, y_labels, places = _plot(*((i, float(v)) for i, v in enumerate(values)))
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in places)
    for labels in (x_labels, y_labels):
        assert 1 <= len(labels) <= 8
        assert len(set(labels)) == len(labels)


def test_smoothing_is_the_mean_of_the_last_points() -> None:
    assert smoothed([(0, 1.0), (1, 3.0), (2, 5.0)], 2) == [(0, 1.0), (1, 2.0), (2, 4.0)]
    values = np.random.default_rng(1).normal(size=500)
    found = [y for _, y in smoothed([(i, float(v)) for i, v in enumerate(values)], 20)]
    expected = [values[max(0, i - 19) : i + 1].mean() for i in range(500)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_long_line_keeps_its_peaks_and_its_order() -> None:
    points = [(i, 1.0) for i in range(100_000)]
    points[43_210], points[77_777] = (43_210, 9.0), (77_777, -9.0)
    kept = thinned(points)
    assert len(kept) <= 2 * BUCKETS
    assert {(43_210, 9.0), (77_777, -9.0)} <= set(kept)
    assert kept == sorted(kept)
