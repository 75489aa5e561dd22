"""Results as a picture: SVG, a bar for each format at each size."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from bertspec.runtime.benching.measure import Measured, Size
from bertspec.runtime.benching.results import Cell, Results

WIDTH, LEFT, RIGHT = 720, 170, 190
"""Names stand left of the bars, and what they say on the right."""

TOP, TITLE, ROW, BAR, GAP = 52, 30, 24, 14, 14

BLUE, GREY, DARK = "#4269d0", "#9aa0aa", "#222222"
_ABOUT = "p50 (bar), p99 (line), times faster than"


def plot(results: Results) -> str:
    """The picture, which needs no other file."""
    sizes = results.plan.sizes
    height = TOP + len(sizes) * (TITLE + ROW * len(results.measured) + GAP)
    picture = Element(
        "svg", xmlns="http://www.w3.org/2000/svg", width=str(WIDTH), height=str(height),
        viewBox=f"0 0 {WIDTH} {height}", role="img",
    )  # fmt: skip
    picture.set("font-family", "system-ui, sans-serif")
    SubElement(picture, "title").text = f"Formats of {results.model}"
    SubElement(picture, "rect", width="100%", height="100%", fill="white")
    _text(picture, 12, 22, results.model, weight="bold", size=15)
    about = f"{_ABOUT} {results.reference.format.name}; threads: {results.plan.threads}"
    _text(picture, 12, 40, about, fill=GREY)
    at = TOP
    for size in sizes:
        at = _panel(picture, at, size, results.cells(size))
    return tostring(picture, encoding="unicode") + "\n"


def _panel(picture: Element, at: int, size: Size, cells: Iterable[tuple[Measured, Cell]]) -> int:
    """Draw one size from `at` downwards; where the next one begins."""
    rows = list(cells)
    most = max(cell.p99 for _, cell in rows)
    _text(picture, 12, at + 20, str(size), weight="bold")
    at += TITLE
    for one, cell in rows:
        p50, p99 = (LEFT + (WIDTH - LEFT - RIGHT) * part / most for part in (cell.p50, cell.p99))
        middle = at + ROW / 2
        group = SubElement(picture, "g")
        SubElement(group, "title").text = f"{one.format.name}: {_said(cell)}"
        _text(group, LEFT - 8, middle + 4, one.format.name, anchor="end")
        SubElement(
            group, "rect", x=str(LEFT), y=f"{middle - BAR / 2:g}", width=f"{p50 - LEFT:.1f}",
            height=str(BAR), fill=BLUE,
        )  # fmt: skip
        SubElement(
            group, "path", d=f"M{p50:.1f} {middle:g}H{p99:.1f}m0 -4v8", stroke=DARK, fill="none"
        )
        _text(group, WIDTH - RIGHT + 10, middle + 4, _said(cell))
        at += ROW
    return at + GAP


def _said(cell: Cell) -> str:
    return f"{1000 * cell.p50:,.3g} ms, {1000 * cell.p99:,.3g} ms, {cell.ratio:.2f}x"


def _text(
    parent: Element, x: float, y: float, text: str, *,
    fill: str = DARK, weight: str = "normal", anchor: str = "start", size: int = 12,
) -> None:  # fmt: skip
    element = SubElement(parent, "text", x=f"{x:g}", y=f"{y:g}", fill=fill)
    element.set("font-size", str(size))
    element.set("font-weight", weight)
    element.set("text-anchor", anchor)
    element.text = text
