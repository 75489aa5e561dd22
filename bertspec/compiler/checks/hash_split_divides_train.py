"""E107: any split but a given one divides `train`, and the source names nothing else."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    data = loaded.spec.data
    given = data.source.given_splits()
    if data.split.type != "given" and given != ("train",):
        yield finding(
            "E107",
            loaded,
            ("data", "split"),
            f"`type: {data.split.type}` divides `train`, and the source names {', '.join(given)}",
            "give only `train`, or write `split: {type: given}`",
        )
