"""E120: what is required is measured."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    evaluation = loaded.spec.evaluation
    for name in evaluation.require:
        if name != "loss" and name not in evaluation.metrics:
            yield finding(
                "E120",
                loaded,
                ("evaluation", "require", name),
                f"`{name}` is not measured",
                f"add it to `metrics`; {did_you_mean(name, ('loss', *evaluation.metrics))}",
                key=True,
            )
