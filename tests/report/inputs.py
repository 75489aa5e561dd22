"""What the stages before report leave behind, written by hand, with any text in every place."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bertspec.core.manifest import Manifest
from tests.stages import run_runner, write_shards

STAGES = ("raw", "prepared", "base", "tokenized", "trained", "evaluation", "export")
TEXTS = ("one plain text", "another plain text")
LABELS = ("bad", "good")


def write_inputs(
    root: Path,
    *,
    texts: Sequence[str] = TEXTS,
    labels: Sequence[str] = LABELS,
    word: str = "word",
    steps: int = 4,
    spikes: Mapping[int, float] | None = None,
    exported: bool = True,
) -> dict[str, Path]:
    """Inputs by role. Test row i has text i, label i mod labels, and the next label predicted,
    the surer of it the greater i. `word` is a file's name, a path and a param. `spikes` are losses
    of steps that the curve does not pass through.
    """
    folder = root / "models" / "by-hand"
    inputs: dict[str, Path] = {}

    def at(role: str, name: str, text: str = "") -> None:
        inputs[role] = folder / name
        inputs[role].parent.mkdir(parents=True, exist_ok=True)
        inputs[role].write_text(text, encoding="utf-8")

    def table(role: str, name: str, rows: list[dict[str, Any]]) -> None:
        inputs[role] = folder / role
        inputs[role].mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows), inputs[role] / name)

    count = len(texts)
    ids = [f"r{i:03}" for i in range(count)]
    gold = [labels[i % len(labels)] for i in range(count)]
    said = [labels[(i + 1) % len(labels)] for i in range(count)]
    sure = [0.6 + 0.4 * (i + 1) / (count + 1) for i in range(count)]
    prepared = pa.Table.from_pylist([
        {"id": ids[i], "text": texts[i], "text_pair": texts[-1 - i], "label": gold[i], "row": i}
        for i in range(count)
    ])  # fmt: skip
    inputs["prepared"] = write_shards(folder / "prepared", {"test": [prepared]}, word)
    table("evaluation", "predictions.parquet", [
        {"id": ids[i], "split": split, "gold": gold[i],
         "prediction": said[i] if split == "test" else gold[i],
         "scores": [1 - sure[i], sure[i]]}
        for split in ("train", "test") for i in range(count)
    ])  # fmt: skip
    matrix = [[gold.count(a) if labels[(labels.index(a) + 1) % len(labels)] == b else 0
               for b in labels] for a in labels]  # fmt: skip
    at("confusion", "evaluation/confusion.json", json.dumps({"labels": labels, "matrix": matrix}))
    del inputs["confusion"]
    fit = {"verdict": "underfitting", "evidence": "as much as a coin"}
    measured = {"train": {"roc_auc": 0.75, "loss": 0.5}, "test": {"loss": 0.625}}
    details = {
        "intervals": {"loss": {"low": 0.5, "high": 0.75}},
        "classes": {label: {"precision": 0.5, "rows": 1000} for label in labels},
        "slices": {word: {"loss": 0.375}, "another": {"f1": 0.25}},
    }
    at("metrics", "metrics.json", json.dumps(measured | details | {"fit": fit}))
    rule = {"code": "E603", "name": word, "severity": "warn", "status": "failed", "count": 2000}
    shown = {"split": "train", "file": word, "row": 3, "note": texts[-1]}
    rule["findings"] = [{"message": texts[-1], "help": "", "count": 2000, "rows": [shown]}]
    at("contract", "contract/findings.json", json.dumps([rule]))
    inputs["contract"] = folder / "contract"
    losses = [(i, (spikes or {}).get(i, 1 / (1 + i))) for i in range(steps)]
    at("loss", "plots/loss.csv", _csv("step,loss", losses))
    rates = [(i, 1e-4 * (1 - i / steps)) for i in range(steps)]
    at("learning_rate", "plots/learning_rate.csv", _csv("step,learning_rate", rates))
    epochs = _csv("epoch,train_loss,validation_loss", [(1, 0.5, "")])
    at("validation", "plots/validation.csv", epochs)
    made = {word: "a" * 64}
    for stage in STAGES if exported else STAGES[:-1]:
        path = folder / f"{stage}.manifest.json"
        params = {
            "outer": {"inner": word, "list": [{"deep": 0.25}], "none": None},
            "labels": labels,
        }
        if stage == "evaluation":
            task = {"type": "text-classification", "labels": labels}
            params = {"task": task, "evaluation": {"metrics": ["accuracy"]}}
        Manifest(f"by-hand-{stage}", 7, params, {"torch": "2.13.0"}, 3, made, made).write(path)
        inputs[f"{stage}_manifest"] = path
    if exported:
        parity = {
            "rows": 153, "flips": 0, "max_difference": 2.1e-06,
            "metric": "f1", "pytorch": None, "exported": None, "worse": None,
        }  # fmt: skip
        bounds = {"onnx": {"tolerance": 1e-4}, "onnx-int8": {"max_metric_delta": 0.005}}
        found = {name: parity | bound for name, bound in bounds.items()}
        at("parity", "parity.json", json.dumps(found))
    return inputs


def _csv(header: str, rows: Sequence[Sequence[Any]]) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def render(inputs: dict[str, Path], out: Path) -> str:
    """The page that the runner writes."""
    run_runner("report", {}, out.parent, inputs, {"report": out})
    return out.read_text(encoding="utf-8")
