"""E108: with given splits the source names train and test."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.split import GivenSplit
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    data = loaded.spec.data
    if not isinstance(data.split, GivenSplit):
        return
    given = data.source.given_splits()
    for split in ("train", "test"):
        if split not in given:
            yield finding(
                "E108",
                loaded,
                ("data", "source"),
                f"the source names no `{split}`",
                "name it, or let `split: {type: hash}` divide the rows",
            )
    if "validation" in given and data.split.validation > 0:
        yield finding(
            "E108",
            loaded,
            ("data", "split", "validation"),
            "the source names a validation split already",
            "leave this out, or leave out the source's",
        )
