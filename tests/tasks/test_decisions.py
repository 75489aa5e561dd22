"""Temperature, thresholds and calibration are what exhaustive search and definitions give."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from bertspec.catalog.batch import Tokens
from bertspec.catalog.task_parts.decisions import (
    AtLeastPrecision,
    AtLeastRecall,
    Likeliest,
    Rule,
    expected_calibration_error,
    fit_temperature,
    fit_threshold,
    reliability,
)
from bertspec.catalog.task_parts.sequence_model import aggregated

SHARES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=30,
)


def test_a_vote_does_not_depend_on_the_windows_of_other_texts() -> None:
    outputs = [np.array(values, np.float32) for values in ([0.4, 0.6], [1, 0], [3, 0], [0, 2])]

    def of(examples: list[int]) -> np.ndarray:
        tokens = Tokens(
            np.array(examples), np.zeros(0), np.zeros(0), np.zeros(0), pa.table({}), "vote"
        )  # fmt: skip
        return softmax(aggregated(tokens, outputs[: len(examples)]), axis=1)

    assert of([0])[0] == pytest.approx(of([0, 1, 1, 1])[0])
    assert of([0, 1, 1, 1])[1] == pytest.approx([2 / 3, 1 / 3])


@given(SHARES, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_a_wanted_precision_is_reached_with_the_most_recall(
    rows: list[tuple[float, bool]], wanted: float
) -> None:
    shares, positive = np.array([s for s, _ in rows]), np.array([p for _, p in rows])
    found = fit_threshold(AtLeastPrecision(type="precision", at_least=wanted), shares, positive)
    good = [
        positive[shares >= t].sum() for t in set(shares) if positive[shares >= t].mean() >= wanted
    ]
    if found is None:
        assert not good or not positive.any()
        return
    assert positive[shares >= found].mean() >= wanted
    assert positive[shares >= found].sum() == max(good)
    assert found not in shares or found == 0.0


@given(SHARES, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_a_wanted_recall_is_reached_with_the_fewest_rows(
    rows: list[tuple[float, bool]], wanted: float
) -> None:
    shares, positive = np.array([s for s, _ in rows]), np.array([p for _, p in rows])
    found = fit_threshold(AtLeastRecall(type="recall", at_least=wanted), shares, positive)
    if found is None:
        assert not positive.any()
        return
    recalls = {t: positive[shares >= t].sum() / positive.sum() for t in set(shares)}
    fewest = min((shares >= t).sum() for t, recall in recalls.items() if recall >= wanted)
    assert positive[shares >= found].sum() / positive.sum() >= wanted
    assert (shares >= found).sum() == fewest


def test_no_threshold_lies_between_equal_texts() -> None:
    """Their probabilities differ by how they were padded, and will otherwise in another runtime."""
    shares = np.array([0.9, 0.5 + 2e-7, 0.5, 0.5 - 2e-7, 0.1], np.float32)
    positive = np.array([True, True, False, False, True])
    precise = fit_threshold(AtLeastPrecision(type="precision", at_least=1.0), shares, positive)
    assert precise == pytest.approx(0.7)
    most = fit_threshold(AtLeastRecall(type="recall", at_least=0.6), shares, positive)
    assert most == pytest.approx(0.3)


@pytest.mark.parametrize("rule", [Likeliest(type="likeliest")])
def test_the_likeliest_label_needs_no_threshold(rule: Rule) -> None:
    assert fit_threshold(rule, np.array([0.2, 0.9]), np.array([True, False])) is None


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_one_that_the_labels_were_drawn_with(true: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 3))
    shares = softmax(logits / true, axis=1)
    labels = (shares.cumsum(axis=1) < random.random((len(shares), 1))).sum(axis=1)
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.05)


def test_a_temperature_makes_probabilities_honest() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (5000, 2))
    labels = (random.random(5000) < softmax(logits, axis=1)[:, 1]).astype(int)
    sure, once = logits * 4, np.ones(5000, int)
    before, after = (
        expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == labels, once)
        for shares in (
            softmax(sure, axis=1),
            softmax(sure / fit_temperature(sure, labels), axis=1),
        )
    )
    assert before > 0.08
    assert after < 0.03


def test_the_calibration_error_is_that_of_its_definition() -> None:
    random = np.random.default_rng(2)
    confidence, right = random.random(400), random.random(400) < 0.6
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            expected += inside.sum() / 400 * gap
    once = np.ones(400, int)
    assert expected_calibration_error(confidence, right, once) == pytest.approx(expected)
    assert sum(b["rows"] for b in reliability(confidence, right)) == 400
    assert expected_calibration_error(np.array([1.0]), np.array([True]), once[:1]) == 0.0
