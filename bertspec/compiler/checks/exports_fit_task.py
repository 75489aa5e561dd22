"""E122: the task's models can be exported to the formats asked for."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task = loaded.spec.task
    for index, export in enumerate(loaded.spec.export):
        reason = export.unfit(task)
        if reason is not None:
            yield finding(
                "E122",
                loaded,
                ("export", index, "type"),
                f"{task.type} has no export to `{export.name}`: {reason}",
                "leave it out, or take another kind",
            )
