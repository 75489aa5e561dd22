"""E123: no two exports write the same file."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for index, export in enumerate(loaded.spec.export):
        if export.filename in seen:
            yield finding(
                "E123",
                loaded,
                ("export", index),
                f"a second export to {export.filename}",
                "leave one out",
            )
        seen.add(export.filename)
