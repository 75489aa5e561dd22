"""E114: the metric that chooses the best model is one of the task."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    name, task = loaded.spec.training.metric_for_best_model, loaded.spec.task
    place = ("training", "metric_for_best_model")
    if name == "loss":
        return
    if name not in task.metrics:
        yield finding(
            "E114",
            loaded,
            place,
            f"{task.type} has no metric `{name}`",
            did_you_mean(name, ("loss", *task.metrics)),
            replacement=nearest(name, ("loss", *task.metrics)),
        )
    elif reason := task.unfit_metric(name):
        yield finding("E114", loaded, place, reason, "or `loss`")
