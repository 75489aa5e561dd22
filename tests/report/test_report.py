"""The report: self-contained, complete, and safe whatever the texts are."""

import json
import re
from html.parser import HTMLParser

from bertspec.runtime.reporting.curves import Series, plot, smoothed
from bertspec.runtime.stage import run_stage
from tests.projects import Project, rows


class _Page(HTMLParser):
    """Collects elements, links and text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(project: Project) -> _Page:
    page = _Page()
    page.feed((project.root / "models/tiny/report.html").read_text(encoding="utf-8"))
    return page


def test_the_page_needs_nothing_else(built: Project) -> None:
    page = _page(built)
    assert not {"script", "link", "img", "iframe"} & set(page.elements)
    assert not [name for name, _ in page.attributes if name in ("src", "href")]
    assert "url(" not in (built.root / "models/tiny/report.html").read_text()


def test_the_page_tells_metrics_params_lineage_and_parity(built: Project) -> None:
    text = re.sub(r"\s+", " ", _page(built).text)
    metrics = built.metrics()
    for split in ("train", "validation", "test"):
        assert f"{metrics[split]['loss']:.4f}" in text
    assert metrics["fit"]["evidence"] in text
    assert "training.learning_rate0.003" in text
    assert "torchscript" in text
    for kind in ("fetch", "prepare", "base", "tokenize", "train", "evaluate", "export"):
        (manifest,) = [
            m for p in built.root.rglob("*.manifest.json")
            if (m := json.loads(p.read_text()))["stage"].endswith(f"-{kind}")
        ]  # fmt: skip
        for digest in manifest["files"].values():
            assert digest in text


def test_texts_are_shown_as_text(project: Project) -> None:
    """Labels turned round in some rows, so that errors with wicked texts are on the page."""
    wicked = ["<script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 7*7 }}", "\u202etxet"]
    values = [(f"{text} {' '.join(wicked)} {i}".replace('"', '""'), label)
              for i, (text, label) in enumerate(rows())]  # fmt: skip
    values = [(t, {"good": "bad", "bad": "good"}[v] if i % 5 == 0 else v)
              for i, (t, v) in enumerate(values)]  # fmt: skip
    project.write_rows(values)
    project.compile()
    for name in project.stages():
        run_stage(name, project.root)
    page = _page(project)
    assert not {"script", "img"} & set(page.elements)
    assert "{{ 7*7 }}" in page.text
    assert "<script>alert(1)</script>" in page.text


def test_curves_are_scaled_into_the_picture() -> None:
    drawn = plot("t", "x", [Series("a", [(0, 1.0), (10, 3.0)], "first")])
    ((_, _, points),) = drawn.lines
    (x0, y0), (x1, y1) = [tuple(map(float, p.split(","))) for p in points.split()]
    assert x0 < x1
    assert y0 > y1, "up is less"
    assert [t.label for t in drawn.x_ticks] == ["0", "2.5", "5", "7.5", "10"]
    assert plot("flat", "x", [Series("a", [(1, 2.0)], "first")]).lines
    assert smoothed([(0, 1.0), (1, 3.0), (2, 5.0)], 2) == [(0, 1.0), (1, 2.0), (2, 4.0)]
