"""E106: validation and test leave rows to train on."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.split import HashSplit, KFoldSplit
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    split = loaded.spec.data.split
    if isinstance(split, KFoldSplit):
        yield from _of_folds(loaded, split)
    if not isinstance(split, HashSplit):
        return
    if split.validation + split.test >= 1:
        yield finding(
            "E106",
            loaded,
            ("data", "split"),
            f"validation {split.validation:g} and test {split.test:g} leave nothing to train on",
            "their sum must be below 1",
        )
    if split.test == 0:
        yield finding(
            "E106",
            loaded,
            ("data", "split", "test"),
            "there would be no test split",
            "give it a share, such as 0.2: results are measured on unseen rows",
        )


def _of_folds(loaded: LoadedSpec, split: KFoldSplit) -> Iterator[Diagnostic]:
    share = 1 / split.folds
    validation = share if split.validation is None else split.validation
    if share + validation >= 1:
        yield finding(
            "E106",
            loaded,
            ("data", "split"),
            f"a fold of {split.folds} and validation {validation:g} leave nothing to train on",
            "have more folds, or give `validation` a small share",
        )
