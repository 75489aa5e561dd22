"""E155: a field of an export is one that is looked at."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.catalog.export import Export
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    for index, export in enumerate(loaded.spec.export):
        for name, advice in _of_other_forms(export):
            field = type(export).model_fields.get(name)
            if field is not None and getattr(export, name) != field.default:
                yield finding(
                    "E155",
                    loaded,
                    ("export", index, name),
                    f"`{name}` changes nothing of the {export.name} export",
                    advice,
                    key=True,
                )


def _of_other_forms(export: Export) -> Iterator[tuple[str, str]]:
    """Fields that this form does not read, and what to do about each."""
    bounds = ("tolerance", "max_metric_delta")
    looked_at, other = bounds if export.metric_bound is None else bounds[::-1]
    yield other, f"write `{looked_at}` instead, or leave it out"
    if getattr(export, "quantize", None) != "int8-static":
        yield "calibration_rows", "it is of `quantize: int8-static`; leave it out"
