"""E129: the fold for the test is one of the folds."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.split import KFoldSplit
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    split = loaded.spec.data.split
    if isinstance(split, KFoldSplit) and split.fold >= split.folds:
        yield finding(
            "E129",
            loaded,
            ("data", "split", "fold"),
            f"there is no fold {split.fold} of {split.folds}",
            f"folds are counted from 0: the last is {split.folds - 1}",
        )
