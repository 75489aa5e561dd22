"""Accuracy is learnt from labels: with shuffled training labels a model ends near chance."""

import random
from collections.abc import Sequence
from pathlib import Path

from tests.projects import SPEC, Project
from tests.stages import prepared_rows, run_kinds

NOUNS = ("film", "cast", "script", "ending", "score", "scene", "role", "plot", "shot", "story")
GOOD = ("warm", "funny", "tender", "sharp", "lovely", "fresh")
BAD = ("dull", "clumsy", "limp", "stale", "sour", "lazy")

Row = tuple[str, str]


def _reviews(count: int) -> list[Row]:
    """Each says one thing in its favour or against it, among nouns that say nothing."""
    draw = random.Random(3)  # noqa: S311
    found = []
    for i in range(count):
        label = ("good", "bad")[i % 2]
        words = draw.sample(NOUNS, 4)
        words.insert(draw.randrange(5), draw.choice(GOOD if label == "good" else BAD))
        found.append((" ".join([*words, str(i)]), label))
    return found


def _test_accuracy(project: Project, rows: Sequence[Row]) -> float:
    project.write_rows([*rows])
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train", "evaluate")
    return float(project.metrics()["test"]["accuracy"])


def test_shuffled_training_labels_end_near_chance(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.write_spec(SPEC | {"export": []})
    project.compile()
    rows = _reviews(500)
    learnt = _test_accuracy(project, rows)
    train = [row - 1 for row in prepared_rows(project, "train")["row"].to_pylist()]
    labels = [rows[row][1] for row in train]
    random.Random(1).shuffle(labels)  # noqa: S311
    for row, label in zip(train, labels, strict=True):
        rows[row] = (rows[row][0], label)
    shuffled = _test_accuracy(project, rows)
    # Of about 150 test rows: a standard deviation of chance is 0.04.
    assert learnt > 0.95
    assert abs(shuffled - 0.5) < 0.12
