"""The charts of a page: training, ROC, precision and recall, calibration. Of one model or two."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.task import Task
from bertspec.runtime.reporting.charts import SERIES, Chart, Series, line_chart
from bertspec.runtime.reporting.curves import Points, Training

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

UNIT = (0.0, 1.0)
DIAGONAL = ((0.0, 0.0), (1.0, 1.0))


def training_charts(training: Training) -> Iterator[Chart]:
    """Of one model."""
    mean = Series(f"mean of {training.window} steps", training.smooth, "first")
    each = Series("each step", training.loss, "faint")
    yield line_chart("Training loss", "step", "loss", [each, mean])
    x = training.x
    losses = [Series("train", training.measured["train_loss"], "first")]
    if unseen := training.measured.get("validation_loss"):
        losses.append(Series("validation", unseen, "second"))
    yield line_chart(f"Loss by {x}", x, "loss", losses)
    for name, points in training.metrics():
        series = [Series("validation", points, "second")]
        yield line_chart(f"Validation {name} by {x}", x, name, series)
    rate = [Series("learning rate", training.rate, "first")]
    yield line_chart("Learning rate", "step", "learning rate", rate)


def both_trainings(sides: Mapping[str, Training]) -> Iterator[Chart]:
    """Of two models by name: the same chart has both."""

    def chart(title: str, x: str, y: str, points: Mapping[str, Points | None]) -> Iterator[Chart]:
        series = [
            Series(name, each, style)
            for (name, each), style in zip(points.items(), SERIES, strict=False)
            if each
        ]
        if series:
            yield line_chart(title, x, y, series)

    means = {name: each.smooth for name, each in sides.items()}
    yield from chart("Training loss, smoothed", "step", "loss", means)
    by = list(dict.fromkeys(each.x for each in sides.values()))
    for x in by:
        of_x = {name: each.measured for name, each in sides.items() if each.x == x}
        for key in dict.fromkeys(key for measured in of_x.values() for key in measured):
            if key == "train_loss":
                continue
            found = {name: measured.get(key) for name, measured in of_x.items()}
            title = "Validation loss" if key == "validation_loss" else f"Validation {key}"
            yield from chart(f"{title} by {x}", x, key, found)
    rates = {name: each.rate for name, each in sides.items()}
    yield from chart("Learning rate", "step", "learning rate", rates)


def score_charts(sides: "Mapping[str, tuple[Task, pa.Table]]") -> Iterator[Chart]:
    """ROC, and precision by recall, of the test rows of one model or two, by name; of two models
    the labels are the same.

    Of two labels those of the second; else of each label against the rest, of one model: as many
    labels as can be told apart, those with most rows.
    """
    found = {name: task.chances(table) for name, (task, table) in sides.items()}
    chances = {name: each for name, each in found.items() if each is not None}
    if not chances:
        return
    task, _ = next(iter(sides.values()))
    labels = task.known_labels()
    lines = list(_lines(task, labels, chances))
    if not lines:
        return
    roc, recall = zip(*(_curves(*line) for line in lines), strict=True)
    of = f" of {labels[lines[0][1]]}" if len(chances) > 1 or len(lines) == 1 else ""
    even = Series("by chance", DIAGONAL, "even")
    title = f"ROC{of}, on test"
    yield line_chart(title, "false positive rate", "true positive rate", [*roc, even], UNIT)
    yield line_chart(f"Precision and recall{of}, on test", "recall", "precision", recall, UNIT)


def _lines(
    task: Task, labels: Sequence[str], chances: "Mapping[str, tuple[np.ndarray, np.ndarray]]"
) -> "Iterator[tuple[str, int, np.ndarray, np.ndarray, str]]":
    """Name, number of the label, which rows have it, its probabilities, and style of each line."""
    gold = next(iter(chances.values()))[0]
    rows = gold.sum(axis=0)
    wanted = [i for i in range(len(labels)) if 0 < rows[i] < len(gold)]
    if task.label_names() and len(labels) == 2:  # noqa: PLR2004 - binary: the second is positive
        wanted = [i for i in wanted if i == 1]
    wanted.sort(key=lambda i: (-rows[i], i))
    if len(chances) > 1:
        pairs = [(name, i) for i in wanted[:1] for name in chances]
    else:
        pairs = [(name, i) for name in chances for i in sorted(wanted[: len(SERIES)])]
    for (name, i), style in zip(pairs, SERIES, strict=False):
        of_label, scores = chances[name]
        shown = name if len(chances) > 1 else labels[i]
        yield shown, i, of_label[:, i], scores[:, i], style


def _curves(
    name: str, _: int, gold: "np.ndarray", scores: "np.ndarray", style: str
) -> tuple[Series, Series]:
    from sklearn.metrics import (
        average_precision_score,
        precision_recall_curve,
        roc_auc_score,
        roc_curve,
    )

    false, true, _thresholds = roc_curve(gold, scores)
    precision, recall, _thresholds = precision_recall_curve(gold, scores)
    area, average = roc_auc_score(gold, scores), average_precision_score(gold, scores)
    return (
        Series(f"{name} (AUC {area:.3f})", _pairs(false, true), style),
        Series(f"{name} (AP {average:.3f})", _pairs(recall[::-1], precision[::-1]), style),
    )


def _pairs(x: "np.ndarray", y: "np.ndarray") -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def calibration_chart(
    sides: Mapping[str, Sequence[Mapping[str, float]]], *, multi_label: bool
) -> Iterator[Chart]:
    """How often probabilities are right, of one model or two by name: bins of `reliability`."""
    series = [
        Series(
            name,
            [(float(b["confidence"]), float(b["accuracy"])) for b in bins],
            style,
            [float(b["rows"]) for b in bins],
        )
        for (name, bins), style in zip(sides.items(), SERIES, strict=False)
        if bins
    ]
    if series:
        even = Series("as sure as right", DIAGONAL, "even")
        y = "share with the label" if multi_label else "accuracy"
        x = "probability of a label" if multi_label else "probability of the likeliest label"
        yield line_chart(f"Calibration: {y} by probability, on test", x, y, [*series, even], UNIT)
