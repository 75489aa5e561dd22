"""E136: the options of the task go together, and with the columns of the data."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    for path, message, advice in loaded.spec.task.conflicts(loaded.spec.data.columns.mapped()):
        yield finding("E136", loaded, ("task", *path), message, advice)
