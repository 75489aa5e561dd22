"""E120: what is required is measured."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.catalog.task import CLASSES, Task
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    evaluation, task = loaded.spec.evaluation, loaded.spec.task
    known = ("loss", *evaluation.metrics, *task.class_paths())
    for name in evaluation.require:
        if name in known:
            continue
        if name.startswith(CLASSES):
            message, advice = _of_class(task, name)
        else:
            message = f"`{name}` is not measured"
            near = did_you_mean(name, ("loss", *evaluation.metrics))
            advice = f"add it to `metrics`; {near}"
        place = ("evaluation", "require", name)
        meant = nearest(name, known)
        yield finding("E120", loaded, place, message, advice, key=True, replacement=meant)


def _of_class(task: Task, name: str) -> tuple[str, str]:
    """What is wrong with the name of a class's metric, and what to write instead."""
    label, _, metric = name.removeprefix(CLASSES).rpartition(".")
    if not task.classes():
        return f"{task.type} has no classes with metrics of their own", "require one of `metrics`"
    if label in task.classes():
        return f"a class has no metric `{metric}`", did_you_mean(metric, task.class_metrics)
    if label:
        return f"there is no class `{label}`", did_you_mean(label, task.classes())
    form = f"`{CLASSES}{task.classes()[0]}.{task.class_metrics[0]}`"
    return f"`{name}` names no class and metric", f"write the class, then the metric: {form}"
