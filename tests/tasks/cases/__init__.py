"""For each task a small project whose rows a tiny model learns by heart."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Case:
    """What the conformance tests need to know of a task."""

    task: dict[str, Any]
    """Options of the task, `type` included."""
    columns: dict[str, Any]
    """`data.columns`."""
    rows: list[dict[str, Any]]
    """Sixteen examples, as lines of JSON: train, validation and test alike."""
    metrics: dict[str, str]
    """Metrics that are asked for, each with the bound that a model which knows the rows meets."""
    inputs: list[dict[str, Any]]
    """Inputs for predict, one of each row or fewer, by the names of the fields."""
    answers: list[dict[str, Any]]
    """What must be in the answer to each input."""
    training: dict[str, Any] = field(default_factory=dict)
    """What differs from TRAINING."""
    tokenization: dict[str, Any] = field(default_factory=lambda: {"max_length": 32})
    config: dict[str, Any] = field(default_factory=dict)
    """What differs in the model's config."""


TRAINING = {"epochs": 30, "learning_rate": 0.003, "batch": {"examples": 8}}


def case_of(kind: str) -> Case:
    """The case of a task: `CASE` of the module of its name here."""
    found: Case = import_module(f"tests.tasks.cases.{kind.replace('-', '_')}").CASE
    return found
