"""The big list of naughty strings, from a file to predictions of the trained model."""

import json

import pyarrow.parquet as pq

from bertspec.catalog.source import SPLITS
from tests.naughty import NAUGHTY
from tests.projects import SPEC, Project
from tests.stages import prepared_rows, run_kinds


def test_naughty_strings_are_trained_on_and_evaluated(project: Project) -> None:
    strings = list(dict.fromkeys(NAUGHTY))
    rows = [{"review": s, "verdict": "good" if len(s) % 2 else "bad"} for s in strings]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (project.root / "data" / "naughty.jsonl").write_text(text, encoding="utf-8")
    spec = json.loads(json.dumps(SPEC))
    spec["data"]["source"] = {"type": "jsonl", "files": {"train": "data/naughty.jsonl"}}
    spec["data"]["contract"] = dict.fromkeys(
        ("empty_text", "duplicates_across_splits", "contradicting_labels"), "off"
    )
    spec["training"]["epochs"] = 1
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train", "evaluate")
    prepared = [
        text for split in SPLITS for text in prepared_rows(project, split)["text"].to_pylist()
    ]
    assert sorted(prepared) == sorted(strings)
    table = pq.read_table(project.root / "models/tiny/evaluation/predictions.parquet")
    assert len(table) == len(strings)
    assert set(table["prediction"].to_pylist()) <= {"bad", "good"}
