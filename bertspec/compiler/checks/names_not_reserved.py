"""E101: a spec's name is not one that bertspec uses itself."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.layout import RESERVED_NAMES
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    if loaded.spec.name in RESERVED_NAMES:
        yield finding(
            "E101",
            loaded,
            ("name",),
            f"`{loaded.spec.name}` is a name of bertspec's own",
            "choose another name",
        )
