"""The example that is read from the hub, built from a hub of the tests' own."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertspec.core.yaml import load_plain
from tests.hub.server import HubServer
from tests.model.models import build, prepare, scratch
from tests.projects import Project, rows

SPEC = Path(__file__).parents[2] / "specs/examples/imdb.yaml"
CARD = """---
configs:
- config_name: plain_text
  default: true
  data_files: [{split: train, path: plain_text/train-*}, {split: test, path: plain_text/test-*}]
dataset_info:
- config_name: plain_text
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': neg, '1': pos}}}
---
"""


@pytest.mark.thorough
def test_the_example_of_the_hub_is_the_same_in_a_rebuild(tmp_path: Path) -> None:
    """As it is shipped, but for the accuracy that it requires, with a tiny model and few rows."""
    spec = load_plain(SPEC.read_text(encoding="utf-8"))
    source, base = spec["data"]["source"], spec["model"]["base"]
    del spec["evaluation"]["require"]
    files = tmp_path / "hub/datasets" / source["id"]
    (files / "plain_text").mkdir(parents=True)
    (files / "README.md").write_text(CARD)
    for split, count in (("train", 80), ("test", 30)):
        texts, labels = zip(*((f"{text} of {split}", of) for text, of in rows(count)), strict=True)
        table = pa.table({"text": texts, "label": [int(label == "good") for label in labels]})
        pq.write_table(table, files / f"plain_text/{split}-00000-of-00001.parquet")
    build(
        scratch(max_position_embeddings=spec["tokenization"]["max_length"]),
        tmp_path / "hub/models" / base["id"], tmp_path, prepare(),
    )  # fmt: skip
    project = Project(tmp_path / "project")
    (project.root / "specs").mkdir(parents=True)
    project.write_spec(spec, "imdb.json")
    with HubServer(tmp_path / "hub") as hub:
        hub.commits |= dict.fromkeys((source["revision"], base["revision"]), tmp_path / "hub")
        place: dict[str, Any] = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
        project.run("bertspec", "lock", "--threads", "1", "--device", "cpu", **place)
        project.run("bertspec", "compile")
        for stage in project.stages():
            project.run("bertspec", "stage", stage, **place)
        told = json.loads(project.run("bertspec", "verify", "--format", "json", **place).stdout)
    assert set(told["same"]) == set(project.stages())
    assert all(told["same"].values())
