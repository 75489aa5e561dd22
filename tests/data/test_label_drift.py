"""Label drift: what random splits of the same rows give as well is none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.contract.label_drift import LabelDrift
from bertspec.catalog.rule import Finding


def _found(train: Sequence[Any], test: Sequence[Any], **options: Any) -> list[Finding]:
    """What the rule finds for the labels of two splits, a label a row or a list of them."""
    tables = {
        name: pa.table({
            "text": [f"{name} {i}" for i in range(len(labels))], "label": list(labels),
            "file": [f"{name}.csv"] * len(labels), "row": range(1, len(labels) + 1),
        })
        for name, labels in (("train", train), ("test", test))
    }  # fmt: skip
    data = PreparedData(tables)  # type: ignore[arg-type]
    rule = LabelDrift.model_validate(options)
    assert rule.applies(data)
    return list(rule.check(data))


def _drawn(seed: int, count: int, several: bool = False) -> list[Any]:
    draw = np.random.default_rng(seed)
    if several:
        return [[x for x in "abcd" if draw.random() < 0.4] for _ in range(count)]
    return draw.choice(list("abcd"), count, p=[0.4, 0.3, 0.2, 0.1]).tolist()


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("sizes", [(23, 10), (70, 20), (400, 50)])
def test_random_splits_are_told_as_seldom_as_it_says(sizes: tuple[int, int], several: bool) -> None:
    told = 0
    for seed in range(200):
        rows = _drawn(seed, sum(sizes), several)
        told += bool(_found(rows[: sizes[0]], rows[sizes[0] :], bound=0))
    # One in a hundred; more than 8 of 200 has a probability below 1e-3.
    assert told <= 8


def test_a_drift_of_two_labels_is_told_where_fishers_exact_test_says_so() -> None:
    differ = 0
    for right in range(21):
        train, test = ["a"] * 30 + ["b"] * 30, ["a"] * right + ["b"] * (20 - right)
        p = stats.fisher_exact([[30, 30], [right, 20 - right]]).pvalue
        if abs(right / 20 - 0.5) <= 0.1:
            assert not _found(train, test)
        elif not 0.005 < p < 0.02:
            assert bool(_found(train, test)) == (p < 0.01), right
            differ += 1
    assert differ > 10


def test_the_distance_is_that_of_scipy_and_chance_that_of_the_hypergeometric() -> None:
    train, test = ["a"] * 100 + ["b"] * 100, ["a"] * 90 + ["b"] * 10
    (finding,) = _found(train, test)
    # Total variation is the Wasserstein distance of 0 and 1.
    distance = stats.wasserstein_distance([0, 1], [0, 1], [0.5, 0.5], [0.9, 0.1])
    assert f"total variation {distance:.3f}, bound 0.1" in finding.message
    assert "200 and 100 rows" in finding.message
    drawn = np.arange(101)
    apart = abs((190 - drawn) / 200 - drawn / 100)
    order = np.argsort(apart)
    chances = np.cumsum(stats.hypergeom(300, 190, 100).pmf(drawn)[order])
    exact = apart[order][np.searchsorted(chances, 0.99)]
    said = float(finding.message.split("are at most ")[1].split()[0])
    assert said == pytest.approx(exact, abs=0.021)
    assert "`a` 50.0% and 90.0%" in finding.message


def test_rows_with_several_labels_are_counted_as_rows() -> None:
    train = [["a", "b"], ["a"], []] * 40
    test = [["a", "b"], ["b", "a", "a"], ["b"]] * 10
    (finding,) = _found(train, test)
    counts = [Counter(x for row in rows for x in set(row)) for rows in (train, test)]
    sized = zip(counts, (len(train), len(test)), strict=True)
    shares = [{label: n / size for label, n in count.items()} for count, size in sized]
    distance = max(abs(shares[0][x] - shares[1][x]) for x in "ab")
    assert f"{distance:.3f}, bound 0.1" in finding.message
    assert "120 and 30 rows" in finding.message
    assert f"`b` {shares[0]['b']:.1%} and {shares[1]['b']:.1%}" in finding.message
    assert not _found(train, test, bound=distance + 1e-9)


def test_rows_without_a_label_are_no_drift() -> None:
    tables = {s: pa.table({"text": ["x"], "label": pa.array([[]], pa.list_(pa.string()))})
              for s in ("train", "test")}  # fmt: skip
    assert not LabelDrift().applies(PreparedData(tables))  # type: ignore[arg-type]


def test_labels_that_come_together_are_drawn_together() -> None:
    # A hundred labels of the same rows drift as one does: by chance as often, not more often.
    draw = np.random.default_rng(2)
    rows = [[f"l{i}" for i in range(100)] if draw.random() < 0.5 else [] for _ in range(60)]
    alone = [["l0"] if row else [] for row in rows]
    for cut in range(20, 50, 5):
        both = [bool(_found(r[:cut], r[cut:], bound=0)) for r in (rows, alone)]
        assert both[0] == both[1]
