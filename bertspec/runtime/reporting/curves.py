"""Curves as inline SVG: axes with numbers, a line a series."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 34
TICKS = 4


@dataclass(frozen=True)
class Series:
    """One line of a plot. `css` is its class in the page's style sheet."""

    name: str
    points: Sequence[tuple[float, float]]
    css: str


@dataclass(frozen=True)
class Tick:
    """A number on an axis, at a place in pixels."""

    at: float
    label: str


@dataclass(frozen=True)
class Plot:
    """What the page's template draws."""

    title: str
    x_label: str
    lines: Sequence[tuple[str, str, str]]
    """Name, CSS class and `points` attribute of each line."""
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def plot(title: str, x_label: str, series: Sequence[Series]) -> Plot:
    """Scale the series to one pair of axes. Each has at least one point."""
    xs = [x for s in series for x, _ in s.points]
    ys = [y for s in series for _, y in s.points]
    (x_low, x_high), (y_low, y_high) = _range(xs), _range(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 2), round(up, 2)

    def ticks(low: float, high: float) -> list[float]:
        return [low + (high - low) * i / TICKS for i in range(TICKS + 1)]

    return Plot(
        title,
        x_label,
        [(s.name, s.css, " ".join("{},{}".format(*place(*p)) for p in s.points)) for s in series],
        [Tick(place(x, y_low)[0], f"{x:.4g}") for x in ticks(x_low, x_high)],
        [Tick(place(x_low, y)[1], f"{y:.3g}") for y in ticks(y_low, y_high)],
    )


def smoothed(points: Sequence[tuple[float, float]], window: int) -> list[tuple[float, float]]:
    """Each point as the mean of the last `window` ones."""
    result = []
    for i, (x, _) in enumerate(points):
        last = [y for _, y in points[max(0, i + 1 - window) : i + 1]]
        result.append((x, sum(last) / len(last)))
    return result


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return low - 0.5, high + 0.5
    return low, high
