"""E110: a file that a spec names is there, or another stage is to make it."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.compiler.checks.local_paths import local_paths
from bertspec.compiler.checks.sources_are_inside import unusable
from bertspec.core import looks
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import nearest_file, nearest_path
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    for place, name in local_paths(loaded):
        if not unusable(name) and not _exists(root / name):
            yield warning(
                "E110",
                loaded,
                place,
                f"there is no {name} yet",
                nearest_file(root / name),
                replacement=nearest_path(name, root),
            )


def _exists(path: Path) -> bool:
    # A file that DVC tracks may still have to be pulled.
    return looks.is_there(path) or looks.is_there(path.with_name(f"{path.name}.dvc"))
