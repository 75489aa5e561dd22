"""Several sources as one."""

import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog.sources import SOURCES
from bertspec.core.errors import InputError
from bertspec.runtime.shards import read_split
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project, rows

CSV = {"type": "csv", "files": {"train": "data/reviews.csv"}}
JSONL = {"type": "jsonl", "files": {"train": "data/more.jsonl"}}


def _more(project: Project, count: int = 400) -> list[dict[str, str]]:
    values = [{"review": f"more of it {i}", "verdict": "good"} for i in range(count)]
    text = "".join(json.dumps(value) + "\n" for value in values)
    (project.root / "data/more.jsonl").write_text(text)
    return values


def _prepared(project: Project, *parts: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    spec = json.loads(json.dumps(SPEC))
    spec["data"]["source"] = {"type": "joined", "parts": list(parts), **options}
    spec["data"]["columns"]["slice"] = options.get("tag_column", "tag")
    project.write_spec(spec)
    project.compile()
    for name in project.stages():
        if name.endswith(("-fetch", "-prepare")):
            run_stage(name, project.root)
    folder = project.root / "data/reviews/prepared"
    return [
        row
        for split in ("train", "validation", "test")
        for row in read_split(folder, split).to_pylist()
    ]


def test_the_rows_of_all_parts_come_with_their_tag_and_their_place(project: Project) -> None:
    more = _more(project)
    found = _prepared(project, {"source": CSV, "tag": "ours"}, {"source": JSONL, "tag": "more"})
    expected = {(text, "ours", "data/reviews.csv", i) for i, (text, _) in enumerate(rows(), 1)}
    expected |= {(row["review"], "more", "data/more.jsonl", i) for i, row in enumerate(more, 1)}
    assert {(r["text"], r["slice"], r["file"], r["row"]) for r in found} == expected


def test_a_share_takes_rows_by_their_content_and_keeps_their_numbers(project: Project) -> None:
    more = _more(project)
    parts = {"source": CSV, "tag": "ours"}, {"source": JSONL, "tag": "more", "share": 0.25}
    found = [r for r in _prepared(project, *parts) if r["slice"] == "more"]
    assert 60 < len(found) < 140
    assert all(more[r["row"] - 1]["review"] == r["text"] for r in found)
    lines = (project.root / "data/more.jsonl").read_text().splitlines(keepends=True)
    (project.root / "data/more.jsonl").write_text("".join(reversed(lines[200:])))
    again = {r["text"] for r in _prepared(project, *parts) if r["slice"] == "more"}
    assert again == {r["text"] for r in found if r["row"] > 200}


def test_a_column_of_the_name_of_the_tags_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,tag\nx,y\n")
    source = SOURCES["joined"].model_validate(
        {
            "type": "joined",
            "parts": [{"source": {"type": "csv", "files": {"train": "a.csv"}}, "tag": "a"}],
        }
    )
    ((_, piece),) = source.read(tmp_path)
    with pytest.raises(InputError) as caught:
        piece.read(1)
    assert caught.value.diagnostics[0].code == "E360"
