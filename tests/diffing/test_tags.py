"""Two models of entities whose tags differ: each side's task reads its own predictions."""

import json
import re
from typing import Any

import pyarrow as pa
import pytest

from bertspec.catalog.tasks.token_classification import TokenClassification
from bertspec.runtime.stage import run_stage
from tests.diffing.models import write_predictions
from tests.projects import SPEC, Project
from tests.stages import prepared_rows
from tests.tasks.cases import case_of

CASE = case_of("token-classification")

OPTIONS: dict[str, dict[str, Any]] = {
    "first": {},
    "second": {"scheme": "IOBES"},
    "third": {"labels": ["LOC", "PER", "ORG"]},
}
"""What differs in the task of each model."""

FIRST: dict[str, Any] = {
    **SPEC,
    "name": "first",
    "task": CASE.task,
    "data": {
        "name": "names",
        "source": {"type": "jsonl", "files": {"train": "data/names.jsonl"}},
        "columns": CASE.columns,
        "split": {"type": "hash", "validation": 0.2, "test": 0.5},
    },
    "evaluation": {"metrics": ["f1"]},
    "export": [],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.create(tmp_path_factory.mktemp("tags") / "project")
    lines = [json.dumps(row) for row in CASE.rows]
    (project.root / "data/names.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name, options in OPTIONS.items():
        project.write_spec(FIRST | {"name": name, "task": CASE.task | options}, f"{name}.json")
    project.compile()
    for kind in ("fetch", "prepare"):
        run_stage(f"names-{kind}", project.root)
    return project


def _write(project: Project, name: str, wrong: int) -> None:
    """A model that finds no more than its last label in so many test rows, and in others all."""
    task = TokenClassification.model_validate(CASE.task | OPTIONS[name])
    rows = prepared_rows(project, "test", "names")
    gold = task.gold(rows)["gold"].to_pylist()
    said, found = [], []
    for i, (words, tags) in enumerate(zip(rows["tokens"].to_pylist(), gold, strict=True)):
        told = task.told({"tokens": words, "gold": tags, "entities": []}).gold
        entities = [{"label": label, "text": text.partition(": ")[2]} for label, text in told]
        if i < wrong:
            entities = [{"label": task.labels[-1], "text": words[0]}]
        said.append([task.output_names()[-1], *["O"] * (len(tags) - 1)] if i < wrong else tags)
        found.append(entities)
    columns = {"id": rows["id"], "gold": gold, "prediction": said, "entities": found}
    write_predictions(project, name, pa.table(columns))


@pytest.mark.parametrize("name", ["second", "third"])
def test_another_scheme_or_other_labels(project: Project, name: str) -> None:
    _write(project, "first", 1)
    _write(project, name, 3)
    for sides, said in (
        (("first", name), "2 rows now wrong, 0 now right"),
        ((name, "first"), "0 rows now wrong, 2 now right"),
    ):
        asked = ("compare", *sides, "--html", "c.html", "--format", "markdown")
        comment = project.call(*asked).stdout
        page = (project.root / "c.html").read_text(encoding="utf-8")
        assert said in page
        rows = re.findall(r"<li data-.*?</li>", page, re.DOTALL)
        assert len(rows) == 2
        for row in rows:
            assert sorted(re.findall(r'</span> <span class="([\w-]+)"', row)) == [
                "bad", "good-word"
            ]  # fmt: skip
            assert row.count("<p>is ") == 1, "both have the same entities as right"
        assert comment.count("`, is `") == 2
