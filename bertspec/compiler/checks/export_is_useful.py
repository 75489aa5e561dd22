"""E124: there is an export to predict with (warning)."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.core import looks
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline import layout
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    exports, old = loaded.spec.export, layout.export(loaded.spec.name)
    if exports and not any(export.type == "onnx" for export in exports):
        yield warning(
            "E124",
            loaded,
            ("export",),
            "`bertspec predict` runs the ONNX export, and there is none",
            "add `{type: onnx}` unless another program runs the model",
        )
    if not exports and looks.is_there(root / old):
        yield warning(
            "E124",
            loaded,
            ("export",),
            f"`bertspec predict` runs {old}, which is no longer built",
            "add `{type: onnx}`, or remove that folder",
        )
