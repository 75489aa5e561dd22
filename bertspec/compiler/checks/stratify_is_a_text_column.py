"""E127: rows are stratified by a field that has a column of text."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest
from bertspec.pipeline.params.columns import kind_of
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    data = loaded.spec.data
    field, columns = getattr(data.split, "stratify", None), data.columns.mapped()
    if field is None:
        return
    texts = [name for name, column in columns.items() if kind_of(column) == "text"]
    if field not in texts:
        what = "is no text" if field in columns else "is no field of `data.columns` with a column"
        yield finding(
            "E127",
            loaded,
            ("data", "split", "stratify"),
            f"`{field}` {what}",
            did_you_mean(field, texts),
            replacement=nearest(field, texts),
        )
