"""The over- or underfitting verdict."""

import json

import pyarrow as pa
import pytest

from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.pipeline.params.evaluate import Fit
from bertspec.runtime.fit import verdict
from tests.conftest import REPOSITORY

TASK = TextClassification(type="text-classification", labels=("a", "b"))
TEST = pa.table({"gold": (["a"] * 6 + ["b"] * 4) * 10})


@pytest.mark.parametrize(
    ("train", "test", "word"),
    [
        (0.95, 0.90, "good fit"),
        (0.95, 0.80, "overfitting"),
        (0.65, 0.64, "underfitting"),
        (0.65, 0.30, "underfitting"),
        (0.30, 0.10, "underfitting"),
        (0.75, 0.50, "overfitting"),
    ],
)
def test_what_was_not_learned_cannot_be_overfitted(train: float, test: float, word: str) -> None:
    metrics = {"train": {"accuracy": train, "loss": 1.0}, "test": {"accuracy": test, "loss": 1.0}}
    found = verdict(TASK, metrics, TEST, Fit(max_gap=0.1, min_gain=0.1))
    assert found["verdict"] == word
    assert found["baseline"] == 0.6
    assert found["gap"] == train - test
    assert "0.600 for always saying the commonest label" in found["evidence"]
    assert "too few rows" not in found["evidence"]
    assert "too_few_rows" not in found


@pytest.mark.parametrize(
    ("rows", "interval", "sure"),
    [
        (100, {"low": 0.70, "high": 0.80}, True),  # a gap of 0.15 to 0.25
        (100, {"low": 0.90, "high": 0.99}, True),  # of -0.04 to 0.05
        (100, {"low": 0.70, "high": 0.90}, False),  # of 0.05 to 0.25
        (100, None, True),
        (8, {"low": 1.0, "high": 1.0}, False),
        (8, None, False),
        (30, None, True),
    ],
)
def test_with_too_few_rows_the_evidence_says_so(
    rows: int, interval: dict[str, float] | None, sure: bool
) -> None:
    unseen = sum(interval.values()) / 2 if interval else 0.9
    metrics = {"train": {"accuracy": 0.95, "loss": 1.0}, "test": {"accuracy": unseen, "loss": 1.0}}
    test = pa.table({"gold": ["a", "b"] * (rows // 2)})
    found = verdict(TASK, metrics, test, Fit(max_gap=0.1, min_gain=0.1), interval)
    assert found["verdict"] == ("good fit" if unseen >= 0.85 else "overfitting")
    assert ("too few rows to tell" in found["evidence"]) is not sure
    assert found.get("too_few_rows", False) is not sure
    if interval and rows > 30 and not sure:
        assert "0.050 to 0.250" in found["evidence"]


def test_the_interval_of_another_direction_is_that_of_the_gap() -> None:
    """The lower the test, the larger the gap: by hand."""
    metrics = {"train": {"accuracy": 1.0, "loss": 1.0}, "test": {"accuracy": 0.8, "loss": 1.0}}
    interval = {"low": 0.65, "high": 0.95}
    found = verdict(TASK, metrics, TEST, Fit(max_gap=0.1), interval)
    assert "the gap is 0.050 to 0.350" in found["evidence"]


def test_the_gap_is_no_doubt_about_what_was_not_learned() -> None:
    metrics = {"train": {"accuracy": 0.65, "loss": 1.0}, "test": {"accuracy": 0.5, "loss": 1.0}}
    found = verdict(TASK, metrics, TEST, Fit(), {"low": 0.4, "high": 0.6})
    assert found["verdict"] == "underfitting"
    assert "too_few_rows" not in found


def test_the_demo_is_sure_of_its_verdict() -> None:
    shipped = json.loads((REPOSITORY / "models/sentiment/metrics.json").read_text())
    counts = [label["rows"] for label in shipped["classes"].values()]
    test = pa.table({"gold": ["a"] * counts[0] + ["b"] * counts[1]})
    found = verdict(TASK, shipped, test, Fit(), shipped["intervals"]["accuracy"])
    assert found == shipped["fit"]
