"""Metrics as the pages show them: those of now in a table, those of commits as lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertspec.diffing.metrics import SPLITS
from bertspec.ui.charts import finite, line_chart
from bertspec.ui.history import Measured, Numbers

HERE = "here"
"""The name of what is not committed."""


@dataclass(frozen=True)
class Table:
    """Metrics by split, the headline first and the loss last."""

    splits: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    """Name of a metric, and its value for each split."""


@dataclass(frozen=True)
class Chart:
    """A metric over commits."""

    metric: str
    splits: tuple[str, ...]
    svg: Markup


def table_of(numbers: Numbers, headline: str | None) -> Table:
    """The metrics of a metrics.json."""
    splits = splits_in([numbers])
    rows = [
        (metric, tuple(numbers.get((split, metric)) for split in splits))
        for metric in metrics_in([numbers], headline)
    ]
    return Table(splits, tuple(rows))


def splits_in(all_numbers: Iterable[Numbers]) -> tuple[str, ...]:
    """Splits that have metrics, what counts first."""
    present = {path[0] for numbers in all_numbers for path in numbers if len(path) == _DEPTH}
    return tuple(split for split in SPLITS if split in present)


def metrics_in(all_numbers: Sequence[Numbers], headline: str | None) -> tuple[str, ...]:
    """Names of metrics, the headline first and the loss last, else as they stand."""
    found = {
        str(path[1]): None
        for numbers in all_numbers
        for path in numbers
        if len(path) == _DEPTH and path[0] in SPLITS
    }
    return tuple(sorted(found, key=lambda name: (name == "loss", name != headline)))


_DEPTH = 2
"""Parts of the path of a metric: its split and its name."""


def charts_of(measured: Sequence[Measured], headline: str | None) -> list[Chart]:
    """A chart for each metric that has a number: they have scales of their own."""
    known = [each.numbers or {} for each in measured]
    splits = splits_in(known)
    names = [each.commit.short if each.commit else HERE for each in measured]
    told = [_told(each) for each in measured]
    charts = []
    for metric in metrics_in(known, headline):
        lines = {split: [numbers.get((split, metric)) for numbers in known] for split in splits}
        if all(finite(value) is None for values in lines.values() for value in values):
            continue
        title = f"{metric} over {len(measured)} commits"
        charts.append(Chart(metric, splits, line_chart(title, names, lines, told)))
    return charts


def _told(measured: Measured) -> str:
    commit = measured.commit
    return f"{commit.short} of {commit.date}: {commit.subject}" if commit else "not committed"
