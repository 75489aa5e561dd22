"""E122: the task can be exported to the formats asked for."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task = loaded.spec.task
    for index, export in enumerate(loaded.spec.export):
        if export.type not in task.exports:
            yield finding(
                "E122",
                loaded,
                ("export", index, "type"),
                f"{task.type} has no export to `{export.type}`",
                f"one of: {', '.join(task.exports)}",
            )
