"""E105: rows are not grouped by their text or label."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.columns import source_column
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    data = loaded.spec.data
    group = getattr(data.split, "group", None)
    if group is not None and group == source_column(data.columns.label):
        yield finding(
            "E105",
            loaded,
            ("data", "split", "group"),
            f"grouping by the label column `{group}` puts each label in one split",
            "group by what rows have in common, such as a film or an author",
        )
