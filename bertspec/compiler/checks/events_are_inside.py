"""E109: TensorBoard's files are in the project, and not among what DVC keeps."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.compiler.checks.sources_are_inside import unusable
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    folder = loaded.spec.training.execution.tensorboard
    if folder is not None and (wrong := unusable(folder)):
        yield finding(
            "E109",
            loaded,
            ("training", "execution", "tensorboard"),
            wrong[0],
            "name a folder of the project for it, such as `runs`",
        )
