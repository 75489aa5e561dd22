"""E109: files are named relative to the project and lie in it."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    spec = loaded.spec
    places: list[tuple[tuple[str, ...], str]] = []
    places += [(("data", "source"), p) for p in spec.data.source.dependencies()]
    places += [(("model", "base"), p) for p in spec.model.base.dependencies()]
    for place, name in places:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            yield finding(
                "E109",
                loaded,
                place,
                f"`{name}` is not a path inside the project",
                "copy or link the file into the project, and name it from there with `/`",
            )
