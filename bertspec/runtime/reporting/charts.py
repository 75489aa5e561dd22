"""Charts as inline SVG, drawn by Vega-Lite in vl-convert: no browser, network or font is asked.

Colours are the page's CSS variables, so a chart is dark where the page is. Where things stand does
not hang on how wide a font is: the same numbers give the same bytes on every machine.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertspec.runtime.reporting.curves import Points, thinned

VEGA_LITE = "6.1"
WIDTH, HEIGHT = 360, 220
PADDING = {"left": 46, "right": 12, "top": 10, "bottom": 38}

TICKS = 5
"""About so many numbers on an axis."""

DOTTED = 30
"""A line of so few points shows each; a single one would be no line at all."""

SMALL = 1e-2
"""An axis that ends below it has numbers such as 5e-5."""

STYLES: Mapping[str, Mapping[str, Any]] = {
    "first": {"stroke": "var(--first)", "strokeWidth": 2},
    "second": {"stroke": "var(--second)", "strokeWidth": 2, "strokeDash": [7, 3]},
    "third": {"stroke": "var(--third)", "strokeWidth": 2, "strokeDash": [2, 2]},
    "fourth": {"stroke": "var(--fourth)", "strokeWidth": 2, "strokeDash": [9, 3, 2, 3]},
    "faint": {"stroke": "var(--first)", "strokeWidth": 1, "opacity": 0.4},
    "even": {"stroke": "var(--soft)", "strokeWidth": 1, "strokeDash": [3, 4]},
}
"""No two of them differ by colour alone. The page's legend knows them by these names."""

SERIES = ("first", "second", "third", "fourth")
"""Of lines that are of one kind, in their order."""


@dataclass(frozen=True)
class Series:
    """One line. `style` is one of STYLES."""

    name: str
    points: Points
    style: str
    weights: Sequence[float] = ()
    """How large the dot of each point is; none for dots of one size."""


@dataclass(frozen=True)
class Chart:
    """What a page shows as a figure."""

    title: str
    svg: str
    told: str
    """The same in words, for who does not see it."""
    legend: Sequence[tuple[str, str]] = ()
    """Name and style of each line, where there are several."""


def line_chart(
    title: str, x: str, y: str, series: Sequence[Series], domain: Sequence[float] | None = None
) -> Chart:
    """Lines on one pair of axes. `domain` is where both axes begin and end, if data does not say.

    Each series has at least one point.
    """
    scale = {"domain": domain, "nice": False} if domain else {"zero": False}
    values = [value for s in series for _, value in s.points]
    up = scale if domain or min(values) < max(values) else {"domain": _around(values[0])}
    largest = max(map(abs, values))
    encoding = {
        "x": {
            "field": "x",
            "type": "quantitative",
            "title": x,
            # Steps and epochs are whole numbers, and the line ends where they do.
            "scale": scale if domain else {"zero": False, "nice": False},
            "axis": {"grid": False, **({"tickCount": TICKS} if domain else _whole_ticks(series))},
        },
        "y": {
            "field": "y",
            "type": "quantitative",
            "title": None,
            "scale": up,
            "axis": {"tickCount": TICKS, **(_TINY if 0 < largest < SMALL else {"format": "~g"})},
        },
    }
    layers = [layer for each in series for layer in _layers(each)]
    svg = draw({"encoding": encoding, "layer": layers})
    legend = [(s.name, s.style) for s in series] if len(series) > 1 else ()
    return Chart(title, svg, told(title, x, y, series), legend)


_TINY = {"labelExpr": "datum.value ? format(datum.value, '~e') : '0'"}


def _around(value: float) -> list[float]:
    """An axis in whose middle the one value of a line is."""
    around = abs(value) / 2 or 0.5
    return [value - around, value + around]


def _whole_ticks(series: Sequence[Series]) -> dict[str, Any]:
    """Of steps and epochs, which have no halves."""
    places = [x for s in series for x, _ in s.points]
    low, high = int(min(places)), int(max(places))
    if high - low <= TICKS:
        return {"values": list(range(low, high + 1)), "format": "d"}
    return {"tickCount": TICKS, "format": ",d"}


def _layers(series: Series) -> list[dict[str, Any]]:
    kept = thinned(series.points)
    values = [{"x": x, "y": y} for x, y in kept]
    style = STYLES[series.style]
    mark = {"type": "line", "interpolate": "linear", **style}
    layers: list[dict[str, Any]] = [{"data": {"values": values}, "mark": mark}]
    if series.weights:
        most = max(series.weights)
        for value, weight in zip(values, series.weights, strict=True):
            value["size"] = 12 + 100 * weight / most
        size = {"size": {"field": "size", "type": "quantitative", "scale": None}}
        layers.append({"data": {"values": values}, "mark": _dots(style), "encoding": size})
    elif len(values) <= DOTTED and series.style != "even":
        layers.append({"data": {"values": values}, "mark": _dots(style) | {"size": 22}})
    return layers


def _dots(style: Mapping[str, Any]) -> dict[str, Any]:
    opacity = style.get("opacity", 1)
    return {"type": "point", "filled": True, "fill": style["stroke"], "opacity": opacity}


def told(title: str, x: str, y: str, series: Sequence[Series]) -> str:
    """A chart in words: where each line begins and ends, and its ends up and down."""
    said = []
    for each in series:
        if each.style in ("even", "faint") and len(series) > 1:
            continue
        (first, start), (last, end) = each.points[0], each.points[-1]
        low, high = (pick(each.points, key=lambda p: p[1]) for pick in (min, max))
        name = f"{each.name}: " if len(series) > 1 else ""
        said.append(
            f"{name}{y} {start:.4g} at {x} {first:.4g}, {end:.4g} at {x} {last:.4g}; "
            f"lowest {low[1]:.4g} at {low[0]:.4g}, highest {high[1]:.4g} at {high[0]:.4g}"
        )
    return f"{title}. {'. '.join(said)}."


def draw(
    spec: Mapping[str, Any],
    width: int = WIDTH,
    height: int = HEIGHT,
    padding: Mapping[str, int] = PADDING,
) -> str:
    """A Vega-Lite spec as SVG of this size, in which `padding` is for the axes."""
    import vl_convert

    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width - padding["left"] - padding["right"],
        "height": height - padding["top"] - padding["bottom"],
        "padding": padding,
        "autosize": {"type": "none"},
        "background": None,
        "config": _CONFIG,
        **spec,
    }
    svg = vl_convert.vegalite_to_svg(whole, vl_version=VEGA_LITE, allowed_base_urls=[])
    # A page shows it as one picture, and says what is on it: see `told`.
    return re.sub(r' (role|aria-[a-z]+)="[^"]*"', "", svg)


_CONFIG = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titleY": 22,
        # What would hang on the width of a font.
        "labelOverlap": False,
        "labelBound": False,
        "labelFlush": False,
        "labelLimit": 0,
        "titleLimit": 0,
    },
}
