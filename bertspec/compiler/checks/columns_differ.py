"""E104: two meanings do not share a column."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.columns import source_column
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    columns = loaded.spec.data.columns
    seen: dict[str, str] = {}
    for name, value in columns.mapped().items():
        column = source_column(value)
        if column is None or name == "slice":  # one value for all rows, or no input
            continue
        if column in seen:
            yield finding(
                "E104",
                loaded,
                ("data", "columns", name),
                f"column `{column}` is `{seen[column]}` already",
                "each meaning has a column of its own; a label that is also input teaches nothing",
            )
        seen.setdefault(column, name)
