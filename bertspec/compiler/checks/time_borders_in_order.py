"""E128: of a split by time, validation begins before the test."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.split import TimeSplit, instant
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    split = loaded.spec.data.split
    if not isinstance(split, TimeSplit) or split.validation_from is None:
        return
    if instant(split.validation_from) >= instant(split.test_from):
        yield finding(
            "E128",
            loaded,
            ("data", "split", "validation_from"),
            f"validation begins at {split.validation_from}, and the test at {split.test_from}",
            "validation is what comes before `test_from`; null for no validation",
        )
