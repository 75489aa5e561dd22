"""E124: there is an export to predict with (warning)."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    exports = loaded.spec.export
    if exports and not any(export.type == "onnx" for export in exports):
        yield warning(
            "E124",
            loaded,
            ("export",),
            "`bertspec predict` runs the ONNX export, and there is none",
            "add `{type: onnx}` unless another program runs the model",
        )
