"""E147: a teacher has the task of the model that learns from it, and the same outputs."""

from collections.abc import Iterator, Sequence

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.distillation import Distillation
from bertspec.spec.load import LoadedSpec
from bertspec.spec.needs import TEACHER

_PLACE = ("training", "distillation")
_OPTIONS = ("temperature",)


def check(specs: Sequence[LoadedSpec]) -> Iterator[Diagnostic]:
    tasks = {s.spec.name: s.spec.task for s in specs}
    for loaded in specs:
        task, distillation = loaded.spec.task, loaded.spec.training.distillation
        if distillation is None:
            continue
        if task.distillation_options is None:
            message = f"{task.type} is learned from no teacher"
            yield finding("E147", loaded, _PLACE, message, "leave it out")
            continue
        for name in _OPTIONS:
            default = Distillation.model_fields[name].default
            if name not in task.distillation_options and getattr(distillation, name) != default:
                yield finding(
                    "E147",
                    loaded,
                    (*_PLACE, name),
                    f"the outputs of {task.type} have no `{name}`",
                    "leave it out",
                )
        teacher = tasks.get(distillation.teacher.name)
        if teacher is None:  # E138 tells
            continue
        called = f"the teacher `{distillation.teacher.name}`"
        if teacher.type != task.type:
            yield finding(
                "E147",
                loaded,
                TEACHER,
                f"{called} does {teacher.type}, and not {task.type}",
                "both must have the same task",
            )
        elif teacher.output_names() != task.output_names():
            yield finding(
                "E147",
                loaded,
                TEACHER,
                f"{called} says {_list(teacher.output_names())}, and this model "
                f"{_list(task.output_names())}",
                "both must have the same `task`, with labels in the same order",
            )


_MOST = 8


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST])
    return f"{shown}, ..." if len(names) > _MOST else shown
