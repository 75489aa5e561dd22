"""E137: slices are conditions on texts of the data."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest
from bertspec.pipeline.params.columns import kind_of
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    columns = loaded.spec.data.columns.mapped()
    texts = [name for name, column in columns.items() if kind_of(column) == "text"]
    for name, condition in loaded.spec.evaluation.slices.items():
        if condition.column not in texts:
            yield finding(
                "E137",
                loaded,
                ("evaluation", "slices", name, "column"),
                f"`{condition.column}` is none of `data.columns` that is a text",
                did_you_mean(condition.column, texts),
                replacement=nearest(condition.column, texts),
            )
