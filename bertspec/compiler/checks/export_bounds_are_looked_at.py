"""E155: an export's bound is one that is looked at."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    for index, export in enumerate(loaded.spec.export):
        names = ("tolerance", "max_metric_delta")
        looked_at, other = names if export.metric_bound is None else names[::-1]
        field = type(export).model_fields.get(other)
        if field is not None and getattr(export, other) != field.default:
            yield finding(
                "E155",
                loaded,
                ("export", index, other),
                f"`{other}` does not bound the {export.name} export",
                f"write `{looked_at}` instead, or leave it out",
                key=True,
            )
