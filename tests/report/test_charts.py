"""Charts: the numbers that go in stand at their place in the picture, whatever fonts there are."""

import re
import subprocess
import sys

import numpy as np
import pytest

from bertspec.catalog.tasks import TASKS
from bertspec.runtime.reporting.charts import HEIGHT, PADDING, WIDTH, Series, line_chart
from bertspec.runtime.reporting.figures import score_charts
from bertspec.runtime.reporting.lineage import lineage_chart

PLACE = re.compile(r"(-?[\d.]+),(-?[\d.]+)")


def _line(svg: str) -> list[tuple[float, float]]:
    """The points of the first line."""
    (path,) = re.findall(r'layer_0_marks"[^>]*><path d="([^"]+)"', svg)
    return [(float(x), float(y)) for x, y in PLACE.findall(path)]


def _numbers(svg: str, anchor: str) -> list[str]:
    return re.findall(rf'<text text-anchor="{anchor}"[^>]*>([^<]+)</text>', svg)


@pytest.mark.parametrize("seed", range(5))
def test_points_stand_where_the_numbers_say(seed: int) -> None:
    random = np.random.default_rng(seed)
    scale = 10.0 ** random.integers(-8, 6)
    values = random.normal(random.normal() * 5, 1, 40) * scale
    points = [(float(i), float(v)) for i, v in enumerate(values)]
    places = _line(line_chart("t", "x", "y", [Series("a", points, "first")]).svg)
    across, up = np.array(places).T
    width = WIDTH - PADDING["left"] - PADDING["right"]
    height = HEIGHT - PADDING["top"] - PADDING["bottom"]
    np.testing.assert_allclose(across, np.arange(40) / 39 * width, atol=0.01)
    assert 0 <= up.min() < up.max() <= height
    slope, start = np.polyfit(values, up, 1)
    np.testing.assert_allclose(start + slope * values, up, atol=0.01)
    assert slope < 0, "up is more"


@pytest.mark.parametrize(
    ("points", "x_numbers", "y_numbers"),
    [
        ([(1, 0.69), (3, 0.71)], ["1", "2", "3"], ["0.69", "0.695", "0.7", "0.705", "0.71"]),
        ([(0, 0.0), (40_000, 2e-4)], ["0", "10,000", "20,000", "30,000", "40,000"],
         ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]),
        ([(1, 2.0)], ["1"], ["1", "1.5", "2", "2.5", "3"]),
        ([(1, 0.75)], ["1"], ["0.4", "0.6", "0.8", "1"]),
    ],
)  # fmt: skip
def test_axes_have_round_numbers(
    points: list[tuple[float, float]], x_numbers: list[str], y_numbers: list[str]
) -> None:
    svg = line_chart("t", "step", "y", [Series("a", points, "first")]).svg
    assert _numbers(svg, "middle") == [*x_numbers, "step"]
    assert set(y_numbers) <= set(_numbers(svg, "end"))


def test_a_chart_is_told_in_words() -> None:
    losses = Series("train", [(1, 0.9), (2, 0.2), (3, 0.4)], "first")
    chart = line_chart("Loss", "epoch", "loss", [losses])
    assert chart.told == (
        "Loss. loss 0.9 at epoch 1, 0.4 at epoch 3; lowest 0.2 at 2, highest 0.9 at 1."
    )


def test_no_line_differs_from_another_by_colour_alone() -> None:
    series = [Series(s, [(0, 0), (1, 1)], s) for s in ("first", "second", "third", "fourth")]
    svg = line_chart("t", "x", "y", series).svg
    styles = re.findall(r'<path d="[^"]+" stroke="var\(--\w+\)"( [^/]*)/>', svg)
    assert len(set(styles)) == len(styles) == 4


@pytest.mark.parametrize("kind", ["text-classification", "multi-label-classification"])
def test_roc_and_precision_by_recall_are_those_of_the_predictions(kind: str) -> None:
    """The area under what is drawn is that which the legend tells, and scikit-learn computes."""
    import pyarrow as pa
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(1)
    gold = random.integers(0, 2, 150)
    sure = np.clip(0.3 * gold + random.random(150) * 0.7, 0, 1).astype("float32")
    labels = ["bad", "good"]
    task = TASKS[kind].model_validate({"type": kind, "labels": labels})
    names = [labels[i] for i in gold]
    said = [labels[int(s > 0.5)] for s in sure]
    lists = kind.startswith("multi")
    table = pa.table(
        {
            "gold": [[name] for name in names] if lists else names,
            "prediction": [[name] for name in said] if lists else said,
            "scores": [[1 - s, s] for s in sure.tolist()],
        }
    )
    roc, recall = score_charts({"model": (task, table)})
    lines = dict(roc.legend)
    of_good = [name for name in lines if name.startswith("good")]
    area = roc_auc_score(gold, sure)
    assert of_good == [f"good (AUC {area:.3f})"]
    assert len(lines) == (3 if lists else 2), "with chance; of two exclusive labels the second"
    if not lists:
        places = np.array(_line(roc.svg)) / [WIDTH - 58, HEIGHT - 48]
        drawn = np.trapezoid(1 - places[:, 1], places[:, 0])
        assert drawn == pytest.approx(area, abs=1e-4)
        assert f"AP {average_precision_score(gold, sure):.3f}" in recall.told or not recall.legend


def test_stages_stand_below_what_they_read() -> None:
    nodes = dict.fromkeys(["fetch", "prepare", "base", "tokenize", "train"], "12ab")
    edges = [("fetch", "prepare"), ("prepare", "tokenize"), ("base", "tokenize"),
             ("base", "train"), ("tokenize", "train"), ("prepare", "train")]  # fmt: skip
    chart = lineage_chart(nodes, edges, {"train": True})
    heights = {
        name: float(y)
        for y, name in re.findall(r'translate\([\d.]+,([\d.]+)\)"[^>]*>(\w+)</text>', chart.svg)
        if name in nodes
    }
    assert set(heights) == set(nodes)
    assert all(heights[a] < heights[b] for a, b in edges)
    assert "train reads base, tokenize, prepare, and made something else" in chart.told


def test_charts_are_the_same_without_fonts(tmp_path: str) -> None:
    """As on a machine that has none, or others."""
    code = (
        "from bertspec.runtime.reporting.charts import *;"
        "print(line_chart('t', 'step', 'y', [Series('a', [(0, .125), (9, 7)], 'first')]).svg)"
    )
    here = line_chart("t", "step", "y", [Series("a", [(0, 0.125), (9, 7)], "first")]).svg
    hidden = {"HOME": str(tmp_path), "FONTCONFIG_FILE": "/dev/null", "PATH": ""}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           check=True, env=hidden)  # fmt: skip
    assert found.stdout.strip() == here
