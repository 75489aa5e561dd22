"""Rows of two data sets: every edit of the raw file is told as what it is, and nothing else."""

import random
import shutil
from pathlib import Path

import pytest

from bertspec.catalog.source import SPLITS
from bertspec.runtime.comparing.rows import Rows, compare_rows
from bertspec.runtime.shards import read_split
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project, rows

Raw = list[tuple[str, str]]
OTHER = {"good": "bad", "bad": "good"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.create(tmp_path_factory.mktemp("rows") / "project")
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    return project


def _prepared(project: Project, values: Raw, target: Path, **data: object) -> Path:
    """Prepare these rows, and put them at `target`."""
    project.write_rows(values)
    project.write_spec(SPEC | {"data": SPEC["data"] | data})
    project.bertspec("compile")
    for stage in ("reviews-fetch", "reviews-prepare"):
        run_stage(stage, project.root)
    return Path(shutil.copytree(project.root / "data/reviews/prepared", target))


def _counts(found: Rows) -> dict[str, int]:
    return {kind: change.count for kind, change in found.changes.items()}


@pytest.mark.parametrize("seed", range(4))
def test_random_edits_are_counted(project: Project, tmp_path: Path, seed: int) -> None:
    """Some rows stand there twice, and an edited text may fall into another split."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    before = [*rows(150), *rows(10)]
    after = list(before)
    relabelled, edited = draw.sample(range(75), 12), draw.sample(range(75, 150), 9)
    for i in relabelled:
        after[i] = (after[i][0], OTHER[after[i][1]])
    for i in edited:
        after[i] = (f"{after[i][0]}, again", after[i][1])
    wanted = {"relabelled": 12, "edited": 9}
    if seed % 2:
        wanted["removed"] = draw.randrange(1, 5)
        del after[-wanted["removed"] :]
    else:
        wanted["added"] = draw.randrange(1, 5)
        after += [(f"new text {i}", "good") for i in range(wanted["added"])]
    places = [
        _prepared(project, raw, tmp_path / name) for name, raw in (("a", before), ("b", after))
    ]
    found = compare_rows(places[0], places[1], examples=200)
    assert {kind: change.count for kind, change in found.changes.items()} == wanted
    told = found.changes["relabelled"].examples
    assert {(a.text, a.target, b.text, b.target) for a, b in told if a and b} == {
        (*before[i], *after[i]) for i in relabelled
    }
    told = found.changes["edited"].examples
    assert {(a.row - 1, a.text, b.row - 1, b.text) for a, b in told if a and b} == {
        (i, before[i][0], i, after[i][0]) for i in edited
    }


def test_rows_that_are_added_twice_and_moved(project: Project, tmp_path: Path) -> None:
    before, after = rows(), [*rows(), ("once more", "good"), ("once more", "good")]
    first = _prepared(project, before, tmp_path / "a")
    found = compare_rows(first, _prepared(project, after, tmp_path / "b"), 3)
    assert _counts(found) == {"added": 2}
    (_, row), _ = found.changes["added"].examples
    assert row is not None
    assert (row.file, row.row, row.text, row.target) == (
        "data/reviews.csv", 121, "once more", "good"
    )  # fmt: skip
    assert (sum(found.before.values()), sum(found.after.values())) == (120, 122)
    other = _prepared(project, before, tmp_path / "c", split=SPEC["data"]["split"] | {"salt": "x"})
    found = compare_rows(first, other, 3)
    places = [
        {
            id_: split
            for split in SPLITS
            for id_ in read_split(folder, split, ["id"])["id"].to_pylist()
        }
        for folder in (first, other)
    ]
    assert _counts(found) == {"moved": sum(places[1][i] != s for i, s in places[0].items())}
    one, two = found.changes["moved"].examples[0]
    assert one is not None
    assert two is not None
    assert one.text == two.text
    assert one.split != two.split
    assert _counts(compare_rows(first, first)) == {}


def test_a_column_that_is_read_besides_changes_no_label(project: Project, tmp_path: Path) -> None:
    first = _prepared(project, rows(), tmp_path / "a")
    columns = SPEC["data"]["columns"] | {"slice": "verdict"}
    found = compare_rows(first, _prepared(project, rows(), tmp_path / "b", columns=columns))
    assert _counts(found) == {"changed": 120}
