"""E116: early stopping has a chance to stop (warning)."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    training = loaded.spec.training
    stopping = training.early_stopping
    if stopping is not None and stopping.patience >= training.epochs:
        yield warning(
            "E116",
            loaded,
            ("training", "early_stopping"),
            f"patience {stopping.patience} never runs out in {training.epochs} epochs",
            "fewer epochs of patience, or more epochs",
        )
