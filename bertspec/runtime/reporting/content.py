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
from bertspec.runtime.contract import FINDINGS
from bertspec.runtime.reporting.curves import Plot, Series, plot, smoothed
from bertspec.runtime.reporting.spikes import spikes
from bertspec.runtime.shards import read_split
from bertspec.runtime.tables import read_parquet

WORST = 25
"""Errors shown."""

LEAST_SMOOTHING = 10
"""Steps over which the second line of the training loss is the mean; more in a long training."""

PARTS = 50
"""Such a mean is over one of so many parts of training."""


def content(inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Everything that the template shows, by name."""
    manifests = [Manifest.read(path) for role, path in inputs.items() if role.endswith("_manifest")]
    metrics = _read_json(inputs["metrics"])
    confusion = _confusion(inputs["evaluation"] / "confusion.json")
    splits = [s for s in SPLITS if s in metrics]
    # A metric need not be defined on every split. The loss comes last.
    names = dict.fromkeys(name for split in reversed(splits) for name in metrics[split])
    return {
        "name": inputs["metrics"].parent.name,
        "metrics": metrics,
        "splits": splits,
        "names": [*(n for n in names if n != "loss"), "loss"],
        "intervals": metrics.get("intervals", {}),
        "seeds": _read_json(inputs["seeds"]) if "seeds" in inputs else {},
        "groups": list(groups(metrics)),
        "contract": _read_json(inputs["contract"] / FINDINGS),
        "plots": list(_plots(inputs)),
        "spikes": spikes(_curves(inputs["loss"], "step")["loss"]),
        "reliability": list(_reliability(inputs)),
        "confusion": confusion,
        "worst": worst_errors(inputs) if confusion["labels"] else [],
        "balance": balance(inputs["evaluation"], confusion["labels"], splits)
        if confusion["labels"]
        else [],
        "params": [(m.stage, list(_nested(m.params))) for m in manifests if m.params],
        "lineage": [(m, digest(m.files)) for m in manifests],
        "parity": _read_json(inputs["parity"]) if "parity" in inputs else {},
    }


def groups(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[str], Any]]:
    """Tables of the test split: title, what is told, names of columns, and rows by name."""
    for key, title, lead in (
        ("baselines", "Simple models on test", "What can be had without a large model."),
        ("classes", "Test by class", "Each class against the rest."),
        ("slices", "Test by slice", "The same metrics on parts of the test split."),
    ):
        if rows := metrics.get(key):
            names = dict.fromkeys(name for row in rows.values() for name in row)
            yield title, lead, list(names), rows


def _reliability(inputs: Mapping[str, Path]) -> Iterator[Plot]:
    """Accuracy against confidence, and the line on which both are equal."""
    if "reliability" not in inputs:
        return
    with inputs["reliability"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    points = [(100 * float(r["confidence"]), float(r["accuracy"])) for r in rows]
    honest = [(0.0, 0.0), (100.0, 1.0)]
    series = [Series("model", points, "first"), Series("honest", honest, "faint")]
    yield plot("Accuracy by confidence in %, on test", "confidence in %", series)


def _confusion(path: Path) -> Any:
    """The confusion matrix, without a label for a task that has none."""
    return _read_json(path) if path.is_file() else {"labels": [], "matrix": []}


def worst_errors(inputs: Mapping[str, Path]) -> Sequence[Mapping[str, Any]]:
    """Test rows with another label than predicted, the most confident first."""
    rows = read_parquet(inputs["evaluation"] / "predictions.parquet").to_pylist()
    wrong = [r for r in rows if r["split"] == "test" and r["gold"] != r["prediction"]]
    for row in wrong:
        row["confidence"] = max(row["scores"])
    wrong.sort(key=lambda r: (-r["confidence"], r["id"]))
    prepared = read_split(inputs["prepared"], "test").to_pylist()
    texts = {row["id"]: row for row in prepared}
    return [row | texts[row["id"]] for row in wrong[:WORST]]


def balance(
    evaluation: Path, labels: Sequence[str], splits: Sequence[str]
) -> Sequence[tuple[str, Sequence[tuple[int, float]]]]:
    """For each label, its rows in each split, and which share of the split they are."""
    rows = read_parquet(evaluation / "predictions.parquet").select(["split", "gold"]).to_pylist()
    counts = Counter((row["split"], row["gold"]) for row in rows)
    totals = Counter(row["split"] for row in rows)
    return [
        (label, [(counts[split, label], counts[split, label] / totals[split]) for split in splits])
        for label in labels
    ]


def _plots(inputs: Mapping[str, Path]) -> Iterator[Plot]:
    loss = _curves(inputs["loss"], "step")["loss"]
    window = max(LEAST_SMOOTHING, len(loss) // PARTS)
    mean = Series(f"mean of {window} steps", smoothed(loss, window), "first")
    yield plot("Training loss", "step", [Series("each step", loss, "faint"), mean])
    x = _first_column(inputs["validation"])  # `step` with `training.validate_every`, or `epoch`
    measured = _curves(inputs["validation"], x)
    series = [Series("train", measured.pop("train_loss"), "first")]
    if unseen := measured.pop("validation_loss", None):
        series.append(Series("validation", unseen, "second"))
    yield plot(f"Loss by {x}", x, series)
    for metric, points in measured.items():
        yield plot(f"Validation {metric} by {x}", x, [Series("validation", points, "second")])
    rate = _curves(inputs["learning_rate"], "step")["learning_rate"]
    yield plot("Learning rate", "step", [Series("learning rate", rate, "first")])


def _first_column(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))[0]


def _curves(path: Path, x: str) -> dict[str, list[tuple[float, float]]]:
    """Each column of a CSV file against column `x`, without its empty cells and empty columns."""
    curves: dict[str, list[tuple[float, float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            at = float(row.pop(x))
            for name, text in row.items():
                if text:
                    curves.setdefault(name, []).append((at, float(text)))
    return curves


def _nested(value: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, str, str | None]]:
    """Depth, key and value of each row of a nested table; None for a key that has rows below."""
    for key, given in value.items():
        of_mappings = isinstance(given, list) and given and isinstance(given[0], dict)
        item = {str(i): part for i, part in enumerate(given, 1)} if of_mappings else given
        if isinstance(item, dict) and item:
            yield depth, key, None
            yield from _nested(item, depth + 1)
        else:
            yield depth, key, json.dumps(item, ensure_ascii=False)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
