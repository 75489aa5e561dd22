"""Where boxes and lines of a graph lie: in layers, by the algorithm of Sugiyama (grandalf)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout

HEIGHT = 44
"""Of a box, in pixels."""

_APART, _ACROSS = 34, 18
"""Pixels between layers, and between boxes of one."""

_MARGIN = 6


Route = list[tuple[float, float]]


@dataclass(frozen=True)
class Box:
    """A node; x and y are of its left upper corner."""

    name: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """All of it, in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]
    """The corners of each line."""

    @property
    def curves(self) -> list[str]:
        """The `d` of a path for each line."""
        return [_curve(route) for route in self.routes]


class _View:
    """What grandalf writes the place of a box to."""

    def __init__(self, width: float) -> None:
        self.w, self.h = width, HEIGHT
        self.xy = (0.0, 0.0)


class _Route:
    """What it writes the corners of a line to."""

    points: Route

    def setpath(self, points: Route) -> None:
        self.points = points


class _Line(Edge):  # type: ignore[misc] # grandalf has no types
    """One that keeps its place in grandalf's sets, so that a picture is the same each time."""

    def __init__(self, first: Vertex, second: Vertex, number: int) -> None:
        super().__init__(first, second)
        self.view = _Route()
        self._number = number

    def __hash__(self) -> int:
        return self._number


def lay_out(widths: Mapping[str, float], before: Mapping[str, Iterable[str]]) -> Drawing:
    """Boxes of these widths below those that stand `before` each; names come in such an order.

    A line is left out where others lead the same way, as from data to a report.
    """
    vertices = {name: Vertex(name) for name in widths}
    for name, vertex in vertices.items():
        vertex.view = _View(widths[name])
    needed = enumerate(_needed_lines(before))
    lines = [_Line(vertices[a], vertices[b], number) for number, (a, b) in needed]
    parts = [_part(core) for core in Graph(list(vertices.values()), lines).C]
    drawn = Drawing(_MARGIN, 0, (), ())
    for part in sorted(parts, key=lambda part: -len(part.boxes)):
        drawn = _beside(drawn, part)
    return drawn


def _needed_lines(before: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    above: dict[str, set[str]] = {}
    for name, makers in before.items():
        direct = sorted(set(makers))
        above[name] = {*direct, *(far for maker in direct for far in above[maker])}
        for maker in direct:
            if not any(maker in above[other] for other in direct):
                yield maker, name


def _part(core: Any) -> Drawing:
    """A part of a graph that has no line to another one."""
    layout = SugiyamaLayout(core)
    layout.xspace, layout.yspace = _ACROSS, _APART
    layout.init_all()
    layout.draw(3)
    views = {vertex.data: vertex.view for vertex in core.sV}
    routes = sorted([_corners(edge) for edge in core.sE])
    xs = [x for route in routes for x, _ in route]
    xs += [view.xy[0] + side * view.w / 2 for view in views.values() for side in (-1, 1)]
    ys = [view.xy[1] + side * HEIGHT / 2 for view in views.values() for side in (-1, 1)]
    left, top = min(xs), min(ys)
    boxes = [
        Box(name, view.xy[0] - view.w / 2 - left, view.xy[1] - HEIGHT / 2 - top, view.w)
        for name, view in views.items()
    ]
    routes = [[(x - left, y - top) for x, y in route] for route in routes]
    return Drawing(max(xs) - left, max(ys) - top, tuple(boxes), tuple(routes))


def _corners(edge: Any) -> Route:
    """From the lower side of a box to the upper side of another, past those between."""
    first, last = edge.v[0].view, edge.v[1].view
    start = (first.xy[0], first.xy[1] + HEIGHT / 2)
    return [start, *edge.view.points[1:-1], (last.xy[0], last.xy[1] - HEIGHT / 2)]


def _beside(drawn: Drawing, part: Drawing) -> Drawing:
    """Both, with the part to the right."""
    right = drawn.width + (_ACROSS if drawn.boxes else 0)
    boxes = [replace(box, x=box.x + right, y=box.y + _MARGIN) for box in part.boxes]
    routes = [[(x + right, y + _MARGIN) for x, y in route] for route in part.routes]
    return Drawing(
        right + part.width + (0 if drawn.boxes else _MARGIN),
        max(drawn.height, part.height + 2 * _MARGIN),
        (*drawn.boxes, *boxes),
        (*drawn.routes, *routes),
    )


def _curve(route: Route) -> str:
    text = "M{:g} {:g}".format(*route[0])
    for (x, y), (to_x, to_y) in pairwise(route):
        middle = (y + to_y) / 2
        text += f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
    return text
