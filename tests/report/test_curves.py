"""Curves: no peak is lost in a long training, and a mean is a mean."""

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

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
    assert len(kept) <= 4 * BUCKETS
    assert {(43_210, 9.0), (77_777, -9.0)} <= set(kept)
    assert kept == sorted(kept)


def test_a_thinned_curve_of_scores_has_both_ends_its_order_and_its_area() -> None:
    """ROC and precision by recall stand still, go straight up and fall: x alone is no order."""
    random = np.random.default_rng(3)
    gold = random.integers(0, 2, 5000)
    scores = np.clip(gold * 0.2 + random.random(5000) * 0.8, 0, 1)
    false, true, _ = roc_curve(gold, scores, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(gold, scores)
    for x, y in ((false, true), (recall[::-1], precision[::-1])):
        points = list(zip(x.tolist(), y.tolist(), strict=True))
        kept = thinned(points)
        assert len(points) == 5001
        assert len(kept) <= 4 * BUCKETS
        assert (kept[0], kept[-1]) == (points[0], points[-1])
        rest = iter(points)
        assert all(point in rest for point in kept), "in the order in which they were"
        area = np.trapezoid(*np.array(kept).T[::-1])
        assert abs(area - np.trapezoid(y, x)) < 1e-3
