"""E103: the data has the columns that the task needs, and no others."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task, columns = loaded.spec.task, loaded.spec.data.columns
    given = set(columns.mapped())
    for name in task.required_columns:
        if name not in given:
            yield finding(
                "E103",
                loaded,
                ("data", "columns"),
                f"`columns.{name}` is missing, which {task.type} needs",
                f"name the column: `columns: {{..., {name}: ...}}`",
            )
    for name in sorted(given - {*task.required_columns, *task.optional_columns, "slice"}):
        yield finding(
            "E103",
            loaded,
            ("data", "columns", name),
            f"{task.type} has no use for `{name}`",
            "leave it out",
        )
