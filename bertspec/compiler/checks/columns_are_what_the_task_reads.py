"""E132: columns are lists or numbers only where the task reads such."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.columns import kind_of, source_column
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task, lists = loaded.spec.task, loaded.spec.data.source.list_columns()
    for name, column in loaded.spec.data.columns.mapped().items():
        if name not in (*task.required_columns, *task.optional_columns):
            continue
        kind, reads = kind_of(column), task.column_kind(name)
        if kind != reads:
            yield finding(
                "E132",
                loaded,
                ("data", "columns", name),
                f"`{name}` is a {kind}, and {task.type} reads a {reads} there",
                _of_lists(loaded.spec.data.source.type)
                if source_column(column) in lists
                else _HELP[reads],
            )


def _of_lists(source: str) -> str:
    return f"columns of a `{source}` source are lists: take another source, or another task"


_HELP = {
    "text": "write the column alone, without `list`, `separator` or `number`",
    "list": "write `{column: ..., list: true}` or `{column: ..., separator: ...}`",
    "number": "write `{column: ..., number: true}`",
}
