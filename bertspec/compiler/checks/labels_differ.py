"""E102: no label is listed twice."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    labels = loaded.spec.task.known_labels()
    for index, label in enumerate(labels):
        if label in labels[:index]:
            yield finding(
                "E102",
                loaded,
                ("task", "labels", index),
                f"label `{label}` stands here twice",
                "each label once: its place is the model's output",
            )
