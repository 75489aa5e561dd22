"""Line charts as inline SVG, drawn by pygal and dressed by the page's own style sheet."""

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup

from bertspec.core.redaction import without_secrets
from bertspec.core.terminal import printable

_LABELS = 6
"""Names on the horizontal axis; more would lie over each other."""

_WIDTH, _HEIGHT = 480, 240


def line_chart(
    title: str,
    names: Sequence[str],
    lines: Mapping[str, Sequence[float | None]],
    told: Sequence[str],
) -> Markup:
    """A point for each of `names` in each line, where it has a value; `told` is what a point says.

    A line's place in `lines` is its colour. There is a value in one of them: pygal draws no line
    else.
    """
    every = max(1, math.ceil(len(names) / _LABELS))
    chart = pygal.Line(
        width=_WIDTH, height=_HEIGHT, css=(), js=(), show_legend=False, margin=6, margin_bottom=2,
        margin_right=28, min_scale=3, max_scale=6, dots_size=3, x_labels=list(names),
        x_labels_major=list(names[::every]), show_minor_x_labels=False, truncate_label=-1,
    )  # fmt: skip
    for name, values in lines.items():
        chart.add(name, [finite(value) for value in values])
    svg = chart.render_tree()
    _undress(svg)
    _tell(svg, lines, told)
    svg.set("role", "img")
    svg.set("aria-label", printable(without_secrets(title)))
    svg.set("class", "chart")
    del svg.attrib["id"]
    return Markup(ET.tostring(svg, encoding="unicode"))  # noqa: S704 - pygal escapes what it is given


def finite(value: float | None) -> float | None:
    """A value that has a place in a chart; None for any other."""
    return value if value is not None and math.isfinite(value) else None


_SHOWN = ("plot", "plot overlay")
"""Of what pygal draws: axes with lines, and the points. All else needs its script."""


def _undress(svg: ET.Element) -> None:
    """Take its own styles and scripts away, which the page's policy forbids."""
    (graph,) = svg.findall("g")
    for within, kept in ((svg, [graph]), (graph, [c for c in graph if c.get("class") in _SHOWN])):
        for child in list(within):
            if child not in kept:
                within.remove(child)


def _tell(
    svg: ET.Element, lines: Mapping[str, Sequence[float | None]], told: Sequence[str]
) -> None:
    """Give each point a title, which browsers show, in place of its coordinates."""
    every = svg.iterfind(".//g[@class='plot overlay']/g")
    for (name, values), series in zip(lines.items(), every, strict=True):
        present = [(v, t) for v, t in zip(values, told, strict=True) if finite(v) is not None]
        for (value, text), dot in zip(present, series.iterfind("g[@class='dots']"), strict=True):
            for about in dot.findall("desc"):
                dot.remove(about)
            said = without_secrets(f"{name} {value:.4f}, {text}")
            ET.SubElement(dot, "title").text = printable(said)
