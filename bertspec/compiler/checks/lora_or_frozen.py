"""E151: a base is adapted with LoRA, which freezes all of its weights, or some are frozen."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    training = loaded.spec.training
    if training.freeze is not None and training.lora is not None:
        yield finding(
            "E151",
            loaded,
            ("training", "freeze"),
            "`lora` keeps all weights of the base as they are, and `freeze` some of them",
            "leave out one of the two",
        )
