"""E131: what values of the label become are labels of the task."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest
from bertspec.pipeline.params.columns import Column
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    label, labels = loaded.spec.data.columns.label, loaded.spec.task.known_labels()
    if not isinstance(label, Column) or not labels:
        return
    place = ("data", "columns", "label")
    becomes: dict[tuple[str, ...], str] = {
        (*place, "map", key): value for key, value in (label.map or {}).items()
    }
    if label.other is not None:
        becomes[*place, "other"] = label.other
    if label.value is not None:
        becomes[*place, "value"] = label.value
    for path, value in becomes.items():
        if value not in labels:
            yield finding(
                "E131",
                loaded,
                path,
                f"there is no label `{value}`",
                did_you_mean(value, labels),
                replacement=nearest(value, labels),
            )
