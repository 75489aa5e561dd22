"""The big list of naughty strings, from a file to a prediction."""

import json
from pathlib import Path

import pytest

from bertspec.catalog.source import SPLITS
from tests.projects import SPEC, Project
from tests.stages import prepared_rows, run_kinds


@pytest.mark.e2e
def test_naughty_strings_are_trained_on_and_predicted(project: Project, shared: Path) -> None:
    content = (shared / "naughty-strings" / "blns.json").read_text(encoding="utf-8")
    strings = list(dict.fromkeys(json.loads(content)))
    rows = [{"review": s, "verdict": "good" if len(s) % 2 else "bad"} for s in strings]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (project.root / "data" / "naughty.jsonl").write_text(text, encoding="utf-8")
    spec = json.loads(json.dumps(SPEC))
    spec["data"]["source"] = {"type": "jsonl", "files": {"train": "data/naughty.jsonl"}}
    spec["data"]["contract"] = dict.fromkeys(
        ("empty_text", "duplicates_across_splits", "contradicting_labels"), "off"
    )
    spec["training"]["epochs"] = 1
    spec["export"] = [{"type": "onnx"}]
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train", "evaluate",
              "export")  # fmt: skip
    prepared = [
        text for split in SPLITS for text in prepared_rows(project, split)["text"].to_pylist()
    ]
    assert sorted(prepared) == sorted(strings)
    lines = "\n".join(json.dumps({"text": s}) for s in strings)
    (project.root / "texts.jsonl").write_text(lines, encoding="utf-8")
    shown = project.bertspec("predict", "tiny", "--file", "texts.jsonl", "--format", "json")
    found = [json.loads(line) for line in shown.split("\n") if line]
    assert [row["text"] for row in found] == strings
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-3 for row in found)
