"""E139: what training adds to the loss is for a task whose loss takes it."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec

_OPTIONS = ("label_smoothing", "class_weights", "focal_gamma")


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task, training = loaded.spec.task, loaded.spec.training
    for name in _OPTIONS:
        if getattr(training, name) and name not in task.loss_options:
            yield finding(
                "E139",
                loaded,
                ("training", name),
                f"the loss of {task.type} takes no `{name}`",
                "leave it out",
            )
