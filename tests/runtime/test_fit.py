"""The over- or underfitting verdict."""

import pyarrow as pa
import pytest

from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.pipeline.params.evaluate import Fit
from bertspec.runtime.fit import verdict

TASK = TextClassification(type="text-classification", labels=("a", "b"))
TEST = pa.table({"gold": ["a"] * 6 + ["b"] * 4})


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
