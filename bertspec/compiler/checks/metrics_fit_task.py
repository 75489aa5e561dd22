"""E118: the metrics asked for are the task's."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task, columns = loaded.spec.task, loaded.spec.data.columns.mapped()
    for index, name in enumerate(loaded.spec.evaluation.metrics):
        place = ("evaluation", "metrics", index)
        if name not in task.metrics:
            yield finding(
                "E118",
                loaded,
                place,
                f"{task.type} has no metric `{name}`",
                did_you_mean(name, task.metrics),
                replacement=nearest(name, task.metrics),
            )
        elif reason := task.unfit_metric(name):
            yield finding("E118", loaded, place, reason, "see `bertspec explain-code E118`")
        elif (column := task.metric_columns.get(name)) and column not in columns:
            yield finding(
                "E118",
                loaded,
                place,
                f"`{name}` needs `data.columns.{column}`",
                "name the column, or leave out the metric",
            )
