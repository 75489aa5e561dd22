"""What the report says, read from the other stages' outputs."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bertspec.catalog.source import SPLITS
from bertspec.core.digest import digest
from bertspec.core.manifest import Manifest
from bertspec.runtime.reporting.curves import Plot, Series, plot, smoothed
from bertspec.runtime.tables import read_parquet

WORST = 25
"""Errors shown."""

SMOOTHING = 10
"""Steps over which the training loss is averaged for the second line."""


def content(inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Everything that the template shows, by name."""
    manifests = [Manifest.read(path) for role, path in inputs.items() if role.endswith("_manifest")]
    metrics = _read_json(inputs["metrics"])
    confusion = _read_json(inputs["evaluation"] / "confusion.json")
    splits = [s for s in SPLITS if s in metrics]
    return {
        "name": inputs["metrics"].parent.name,
        "metrics": metrics,
        "splits": splits,
        "names": list(metrics["train"]),
        "plots": list(_plots(inputs)),
        "confusion": confusion,
        "worst": worst_errors(inputs),
        "balance": balance(inputs["evaluation"], confusion["labels"], splits),
        "params": [(m.stage, list(_flat(m.params))) for m in manifests if m.params],
        "lineage": [(m, digest(m.files)) for m in manifests],
        "parity": _read_json(inputs["parity"]) if "parity" in inputs else {},
    }


def worst_errors(inputs: Mapping[str, Path]) -> Sequence[Mapping[str, Any]]:
    """Test rows with another label than predicted, the most confident first."""
    rows = read_parquet(inputs["evaluation"] / "predictions.parquet").to_pylist()
    wrong = [r for r in rows if r["split"] == "test" and r["gold"] != r["prediction"]]
    for row in wrong:
        row["confidence"] = max(row["scores"])
    wrong.sort(key=lambda r: (-r["confidence"], r["id"]))
    prepared = read_parquet(inputs["prepared"] / "test.parquet").to_pylist()
    texts = {row["id"]: row for row in prepared}
    return [row | texts[row["id"]] for row in wrong[:WORST]]


def balance(
    evaluation: Path, labels: Sequence[str], splits: Sequence[str]
) -> Sequence[tuple[str, Sequence[int]]]:
    """For each label, its rows in each split."""
    rows = read_parquet(evaluation / "predictions.parquet").select(["split", "gold"]).to_pylist()
    counts = Counter((row["split"], row["gold"]) for row in rows)
    return [(label, [counts[split, label] for split in splits]) for label in labels]


def _plots(inputs: Mapping[str, Path]) -> Iterator[Plot]:
    loss = _points(inputs["loss"], "step", "loss")
    yield plot(
        "Training loss",
        "step",
        [Series("step", loss, "faint"), Series("mean", smoothed(loss, SMOOTHING), "first")],
    )
    series = [Series("train", _points(inputs["validation"], "epoch", "train_loss"), "first")]
    if unseen := _points(inputs["validation"], "epoch", "validation_loss"):
        series.append(Series("validation", unseen, "second"))
    yield plot("Loss by epoch", "epoch", series)
    rate = _points(inputs["learning_rate"], "step", "learning_rate")
    yield plot("Learning rate", "step", [Series("learning rate", rate, "first")])


def _points(path: Path, x: str, y: str) -> list[tuple[float, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(float(row[x]), float(row[y])) for row in csv.DictReader(file) if row.get(y)]


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, item in enumerate(value):
            yield from _flat(item, f"{prefix}[{index}]")
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value)
        yield prefix, text


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
