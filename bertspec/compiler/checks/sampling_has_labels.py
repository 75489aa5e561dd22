"""E133: rows are drawn by their label only for a task with labels."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task, sampling = loaded.spec.task, loaded.spec.training.sampling
    if sampling.type != "all" and not task.label_names():
        yield finding(
            "E133",
            loaded,
            ("training", "sampling"),
            f"`type: {sampling.type}` draws rows by their label, and {task.type} has no labels",
            "leave it out: every row is then seen once an epoch",
        )
