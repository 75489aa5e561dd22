"""E106: validation and test leave rows to train on."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    split = loaded.spec.data.split
    if split.type != "hash":
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
