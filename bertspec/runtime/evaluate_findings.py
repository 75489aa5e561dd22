"""What evaluate tells of results that are whole: bounds that do not hold, what is not fitted."""

import operator
from collections.abc import Iterator, Mapping
from typing import Any

from bertspec.catalog.task import Decision, Task
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.pipeline.params.evaluate import Evaluation, parted
from bertspec.runtime.examples import Examples

_OPERATORS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


def unfitted(task: Task, validation: Examples | None, decision: Decision) -> Iterator[Diagnostic]:
    """E412 for each option that asked for something that `decision` does not have.

    A warning where something else holds instead, and an error where nothing does.
    """
    wanted = task.fitted()
    if validation is None:
        missing: Mapping[str, str] = dict.fromkeys(wanted, "it has no row")
    else:
        missing = task.unfitted(validation.rows, decision)
    for option, reason in missing.items():
        instead = wanted[option]
        yield Diagnostic(
            "E412",
            f"`task.{option}` is not fitted on the validation split: {reason}"
            + (f"; {instead} holds instead" if instead else ""),
            "give the validation split more rows, or ask for less",
            severity=Severity.WARNING if instead else Severity.ERROR,
        )


def broken(task: Task, options: Evaluation, metrics: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """E410 for each bound that does not hold on the test split, E411 where it has no such number.

    `metrics` is what metrics.json has. A class without a row has no metrics.
    """
    of_classes = task.class_paths()
    for name, bound in sorted(options.require.items()):
        sign, limit = parted(bound)
        if name in of_classes:
            label, metric = of_classes[name]
            found = metrics.get("classes", {}).get(label, {})
            value = found.get(metric) if found.get("rows") else None
        else:
            value = metrics["test"].get(name)
        if value is None:
            yield Diagnostic(
                "E411",
                f"{name} is not defined on the test split, required is {bound}",
                "the class has no row, or all rows have one label, or one number: give the test "
                "split more rows",
            )
        elif not _OPERATORS[sign](value, limit):
            yield Diagnostic(
                "E410",
                f"{name} is {value:.4f} on the test split, required is {bound}",
                "the model is built and its metrics written; improve it, or lower "
                f"`evaluation.require.{name}`",
            )
