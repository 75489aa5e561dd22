"""How far an export's outputs are from PyTorch's, and whether that is too far."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bertspec.catalog.export import Export
from bertspec.catalog.task import ID_COLUMN, Decision, Task
from bertspec.core.diagnostics import Diagnostic
from bertspec.runtime.examples import Examples
from bertspec.runtime.predictions import predicted

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN = 10

_ROUNDING = 1e-9
"""Of a metric: 0.8 less 0.795 is more than 0.005 in floats."""


@dataclass(frozen=True)
class Metric:
    """The headline metric of both, NaN where the test split does not define it."""

    name: str
    pytorch: float
    exported: float

    @property
    def worse(self) -> float:
        return self.pytorch - self.exported


@dataclass(frozen=True)
class Expected:
    """What PyTorch says of a split."""

    outputs: "Sequence[np.ndarray]"
    predictions: "pa.Table"
    metric: float
    """The headline one."""

    @classmethod
    def of(
        cls, task: Task, examples: Examples, outputs: "Sequence[np.ndarray]", decision: Decision
    ) -> "Expected":
        predictions = predicted(task, examples, outputs, decision)
        return cls(outputs, predictions, _headline(task, predictions))


@dataclass(frozen=True)
class Compared:
    """An export's outputs against PyTorch's."""

    differences: "np.ndarray"
    """Of each row, the largest of any part of its output."""
    flipped: "np.ndarray"
    """Of each row, whether what is predicted differs."""
    metric: Metric
    counts: "Mapping[str, np.ndarray]" = field(default_factory=dict)
    """Where predictions are numbers: of what metrics count, by how much each row's differs."""

    def summary(self, export: Export) -> dict[str, Any]:
        """What parity.json says: the same of every export, and last the one bound that it has."""
        metric, bound = self.metric, export.metric_bound
        values = {"pytorch": metric.pytorch, "exported": metric.exported, "worse": metric.worse}
        return {
            "rows": len(self.differences),
            "flips": int(self.flipped.sum()),
            "max_difference": float(self.differences.max(initial=0.0)),
            "metric": metric.name,
            **{name: value if math.isfinite(value) else None for name, value in values.items()},
            **({"tolerance": export.tolerance} if bound is None else {"max_metric_delta": bound}),
        }


def compare(
    task: Task,
    examples: Examples,
    expected: Expected,
    got: "Sequence[np.ndarray]",
    decision: Decision,
) -> Compared:
    """What PyTorch says of a split beside the outputs of an export."""
    import numpy as np

    differences = np.zeros(len(examples))
    each = [abs(e - g).max(initial=0.0) for e, g in zip(expected.outputs, got, strict=True)]
    np.maximum.at(differences, examples.tokens.examples, each)
    predictions = predicted(task, examples, got, decision)
    metric = Metric(task.headline, expected.metric, _headline(task, predictions))
    tables = expected.predictions, predictions
    return Compared(differences, _flipped(*tables), metric, _counts(*tables))


def _headline(task: Task, predictions: "pa.Table") -> float:
    return task.measure([task.headline], predictions).get(task.headline, math.nan)


def _flipped(expected: "pa.Table", got: "pa.Table") -> "np.ndarray":
    import numpy as np

    if _are_numbers(expected):  # the bound says all of numbers
        return np.zeros(len(expected), bool)
    said = [table["prediction"].to_pylist() for table in (expected, got)]
    return np.array([one != other for one, other in zip(*said, strict=True)], bool)


def _counts(expected: "pa.Table", got: "pa.Table") -> "Mapping[str, np.ndarray]":
    """Columns of whole numbers beside predictions that are none: a rank, or how many are right.

    They are no predictions: of many texts some are about as near as the right one, and change
    places with it however little numbers differ.
    """
    import pyarrow as pa

    if not _are_numbers(expected):
        return {}
    whole = [field.name for field in expected.schema if pa.types.is_integer(field.type)]
    found = {name: abs(got[name].to_numpy() - expected[name].to_numpy()) for name in whole}
    return {name: changes for name, changes in found.items() if changes.any()}


def _are_numbers(predictions: "pa.Table") -> bool:
    """Whether what is predicted are floats, or lists of them."""
    import pyarrow as pa

    kind = predictions["prediction"].type
    return bool(pa.types.is_floating(kind.value_type if pa.types.is_list(kind) else kind))


def failures(export: Export, examples: Examples, compared: Compared) -> list[Diagnostic]:
    """E450, with the rows that differ, for an export beyond its bound."""
    if export.metric_bound is None:
        return _of_numbers(export, examples, compared)
    return _of_metric(export, export.metric_bound, examples, compared)


def _of_numbers(export: Export, examples: Examples, compared: Compared) -> list[Diagnostic]:
    difference, flipped = compared.differences, compared.flipped
    numbers = (~flipped & ~(difference <= export.tolerance)).nonzero()[0]
    others = flipped.nonzero()[0]
    if not len(others) + len(numbers):
        return []
    what = (
        f"the {export.name} export differs from PyTorch in {len(others) + len(numbers)} of "
        f"{len(examples)} test rows"
    )
    if len(others):
        named = _rows(examples, compared, others)
        what += f"; it predicts something else in {len(others)}: {named}"
    if len(numbers):
        worst = numbers[_largest_first(difference[numbers])]
        named = _rows(examples, compared, worst)
        what += f"; it gives other numbers in {len(numbers)}: {named}"
    advice = (
        f"the bound is {export.tolerance:g}; raise `tolerance` of the export only if you know why"
    )
    return [Diagnostic("E450", what, advice)]


def _of_metric(
    export: Export, bound: float, examples: Examples, compared: Compared
) -> list[Diagnostic]:
    import numpy as np

    metric = compared.metric
    advice = f"the bound is {bound:g}; raise `max_metric_delta` of the export, or leave it out"
    broken = (~np.isfinite(compared.differences)).nonzero()[0]
    if len(broken):
        what = (
            f"the {export.name} export gives what is no number in {len(broken)} of {len(examples)} "
            f"test rows: {_rows(examples, compared, broken)}"
        )
        return [Diagnostic("E450", what, "leave the export out: its numbers are too small")]
    if metric.worse <= bound + _ROUNDING:
        return []
    if math.isnan(metric.worse):
        what = f"`{metric.name}` is not defined on the test split, so the {export.name} export "
        return [Diagnostic("E450", what + "cannot be compared with PyTorch", advice)]
    what = (
        f"{metric.name} of the {export.name} export is {metric.exported:.4f} on the test split, "
        f"and {metric.pytorch:.4f} of PyTorch"
    )
    return [Diagnostic("E450", f"{what}; {_behind(examples, compared)}", advice)]


def _behind(examples: Examples, compared: Compared) -> str:
    """The rows that may have made a metric worse."""
    flipped = compared.flipped.nonzero()[0]
    if len(flipped):
        named = _rows(examples, compared, flipped)
        return f"it predicts something else in {len(flipped)} of {len(examples)} rows: {named}"
    if compared.counts:
        column, changes = next(iter(compared.counts.items()))
        changed = _largest_first(changes)[: (changes > 0).sum()]
        named = _rows(examples, compared, changed)
        return f"`{column}` differs in {len(changed)} of {len(examples)} rows: {named}"
    worst = _largest_first(compared.differences)[:SHOWN]
    return f"the numbers of these rows differ most: {_rows(examples, compared, worst)}"


def _largest_first(numbers: "np.ndarray") -> "np.ndarray":
    """Places of the numbers; NaN is the largest."""
    return numbers.argsort(kind="stable")[::-1]


def _rows(examples: Examples, compared: Compared, wrong: "np.ndarray") -> str:
    """The first of these rows, each with its difference."""
    ids = examples.rows[ID_COLUMN]
    shown = wrong[:SHOWN].tolist()
    more = f", and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return ", ".join(f"{ids[i]} ({compared.differences[i]:.2g})" for i in shown) + more
