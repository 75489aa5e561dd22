"""Curves: no peak is lost in a long training, and a mean is a mean."""

import numpy as np

from bertspec.runtime.reporting.curves import BUCKETS, smoothed, thinned


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
