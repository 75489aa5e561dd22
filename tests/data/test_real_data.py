"""Well-known data sets come through whole: SST-2 as TSV with given splits, MR as CSV by hash."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

from bertspec.catalog.source import SPLITS
from tests.projects import SPEC, Project
from tests.stages import prepared_rows, run_kinds


def _prepared(project: Project, data: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    spec = json.loads(json.dumps(SPEC)) | {"data": {"name": "real"} | data}
    spec["task"]["labels"] = ["0", "1"]
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare")
    return {s: prepared_rows(project, s, "real").to_pylist() for s in SPLITS}


def test_sst2_keeps_its_splits_and_every_quote(project: Project, shared: Path) -> None:
    names = {"train": "train", "validation": "dev", "test": "test"}
    for name in names.values():
        shutil.copy(shared / "sst2" / f"{name}.tsv", project.root / "data")
    found = _prepared(
        project,
        {
            "source": {
                "type": "tsv",
                "column_names": ["label", "sentence"],
                "files": {split: f"data/{name}.tsv" for split, name in names.items()},
            },
            "columns": {"text": "sentence", "label": "label"},
            "split": {"type": "given"},
        },
    )
    assert {split: len(rows) for split, rows in found.items()} == {
        "train": 6920, "validation": 872, "test": 1821,
    }  # fmt: skip
    for split, name in names.items():
        text = (shared / "sst2" / f"{name}.tsv").read_text(encoding="utf-8")
        lines = [line.split("\t") for line in text.split("\n") if line]
        assert [[row["label"], row["text"]] for row in found[split]] == lines


def test_mr_is_split_as_it_says_and_no_text_is_on_two_sides(project: Project, shared: Path) -> None:
    rows = [
        (line, label)
        for label, name in (("1", "pos"), ("0", "neg"))
        for line in (shared / f"movie-reviews/rt-polarity.{name}")
        .read_text(encoding="utf-8")
        .split("\n")
        if line.strip()
    ]
    with (project.root / "data/mr.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    found = _prepared(
        project,
        {
            "source": {"type": "csv", "files": {"train": "data/mr.csv"}},
            "columns": {"text": "text", "label": "label"},
            "split": {"type": "hash", "validation": 0.1, "test": 0.2},
        },
    )
    assert sorted(rows) == sorted((r["text"], r["label"]) for s in found.values() for r in s)
    texts = {split: {row["text"] for row in rows_} for split, rows_ in found.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]
    # Three standard deviations of a binomial share.
    assert abs(len(found["test"]) / len(rows) - 0.2) < 3 * (0.16 / len(rows)) ** 0.5
