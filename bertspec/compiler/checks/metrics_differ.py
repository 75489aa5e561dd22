"""E119: no metric is listed twice."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    metrics = loaded.spec.evaluation.metrics
    for index, name in enumerate(metrics):
        if name in metrics[:index]:
            yield finding(
                "E119",
                loaded,
                ("evaluation", "metrics", index),
                f"`{name}` stands here twice",
                "leave one out",
            )
