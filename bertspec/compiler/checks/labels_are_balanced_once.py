"""E134: labels are balanced by the sampling or by class weights, not by both."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    training = loaded.spec.training
    if training.sampling.type == "balanced" and training.class_weights == "balanced":
        yield warning(
            "E134",
            loaded,
            ("training", "class_weights"),
            "`sampling` balances the labels already; with these weights rare ones count twice",
            "leave out one of the two",
        )
