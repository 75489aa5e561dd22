"""Curves as inline SVG: axes with round numbers, a line a series."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 10, 40

TICKS = 5
"""At most so many steps from one tick to the next on an axis."""

BUCKETS = 200
"""A line has at most two points in each, however long training was: the page stays small."""

DOTTED = 30
"""A line of so few points shows each; a single one would be no line at all."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Series:
    """One line of a plot. `css` is its class in the page's style sheet."""

    name: str
    points: Points
    css: str


@dataclass(frozen=True)
class Tick:
    """A number on an axis, at a place in pixels."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A series as the page draws it, in pixels."""

    name: str
    css: str
    points: str
    """The `points` attribute of a polyline."""
    dots: Points


@dataclass(frozen=True)
class Plot:
    """What the page's template draws."""

    title: str
    x_label: str
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def plot(title: str, x_label: str, series: Sequence[Series]) -> Plot:
    """Scale the series to one pair of axes. Each has at least one point; x are whole numbers."""
    xs = [x for s in series for x, _ in s.points]
    ys = [y for s in series for _, y in s.points]
    x_low, x_high = _range(xs)
    y_low, y_high = _range(ys)
    y_step = _step(y_low, y_high)
    # The y axis ends at a tick, the x axis where the data does.
    first, last = math.floor(y_low / y_step), math.ceil(y_high / y_step)
    y_values = [k * y_step for k in range(first, last + 1)]
    y_low, y_high = y_values[0], y_values[-1]
    x_step = max(1, math.ceil(_step(x_low, x_high)))
    inside = range(math.ceil(min(xs) / x_step), math.floor(max(xs) / x_step) + 1)
    x_values: list[float] = [k * x_step for k in inside] or [min(xs)]

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 2), round(up, 2)

    def line(series: Series) -> Line:
        placed = [place(x, y) for x, y in thinned(series.points)]
        text = " ".join(f"{x},{y}" for x, y in placed)
        return Line(series.name, series.css, text, placed if len(placed) <= DOTTED else ())

    return Plot(
        title,
        x_label,
        [line(s) for s in series],
        [Tick(place(x, y_low)[0], f"{x:,.0f}") for x in x_values],
        [Tick(place(x_low, y)[1], number(y, y_step)) for y in y_values],
    )


def smoothed(points: Points, window: int) -> list[tuple[float, float]]:
    """Each point as the mean of the last `window` ones."""
    sums = [0.0, *accumulate(y for _, y in points)]
    starts = [max(0, end - window) for end in range(1, len(sums))]
    return [
        (points[i][0], (sums[i + 1] - sums[start]) / (i + 1 - start))
        for i, start in enumerate(starts)
    ]


def thinned(points: Points) -> list[tuple[float, float]]:
    """The lowest and the highest point of each bucket, so that no peak is lost."""
    if len(points) <= 2 * BUCKETS:
        return list(points)
    size = math.ceil(len(points) / BUCKETS)
    kept = []
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        ends = {min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept


def number(value: float, step: float) -> str:
    """A tick's number with as many digits as its neighbour `step` away needs; 5e-5 for small."""
    if value and step < 1e-3 and abs(value) < 1e-2:  # noqa: PLR2004 - such as a learning rate
        factor, _, exponent = f"{value:.3e}".partition("e")
        return f"{factor.rstrip('0').rstrip('.')}e{int(exponent)}"
    if not value:
        return "0"
    digits = max(0, -math.floor(math.log10(step)))
    whole = round(step * 10**digits, 6).is_integer()
    return f"{value:,.{digits if whole else digits + 1}f}"


def _step(low: float, high: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that needs no more than TICKS steps."""
    least = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= least * (1 - 1e-9))


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:  # in the middle of its axis
        around = abs(low) / 2 or 0.5
        return low - around, high + around
    return low, high
