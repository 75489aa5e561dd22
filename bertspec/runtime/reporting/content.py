"""What the report says, read from the other stages' outputs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.source import SPLITS
from bertspec.core.digest import digest
from bertspec.core.manifest import Manifest
from bertspec.pipeline.params.evaluate import EvaluateParams
from bertspec.runtime.contract import FINDINGS
from bertspec.runtime.reporting.curves import Training
from bertspec.runtime.reporting.figures import calibration_chart, score_charts, training_charts
from bertspec.runtime.reporting.lineage import lineage_chart, made_and_read
from bertspec.runtime.reporting.mistakes import browser, furthest
from bertspec.runtime.reporting.spikes import spikes
from bertspec.runtime.shards import read_split
from bertspec.runtime.tables import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa


def content(inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Everything that the template shows, by name."""
    manifests = {
        path.as_posix(): Manifest.read(path)
        for role, path in inputs.items()
        if role.endswith("_manifest")
    }
    name = inputs["metrics"].parent.name
    metrics = _read_json(inputs["metrics"])
    confusion = read_confusion(inputs["evaluation"])
    splits = [s for s in SPLITS if s in metrics]
    # A metric need not be defined on every split. The loss comes last.
    names = dict.fromkeys(name for split in reversed(splits) for name in metrics[split])
    training = Training.read(inputs["loss"], inputs["learning_rate"], inputs["validation"])
    of_evaluate = manifests[inputs["evaluation_manifest"].as_posix()].params
    evaluated = EvaluateParams.model_validate(of_evaluate)
    task = evaluated.task
    predictions = read_parquet(inputs["evaluation"] / "predictions.parquet")
    test = predictions.filter([split == "test" for split in predictions["split"].to_pylist()])
    faults = task.faults(test)
    charts = [
        *score_charts({"model": (task, test)}),
        *calibration_chart({"model": task.reliability(test)}, multi_label=not task.label_names()),
    ]
    return {
        "name": name,
        "metrics": metrics,
        "splits": splits,
        "names": [*(n for n in names if n != "loss"), "loss"],
        "intervals": metrics.get("intervals", {}),
        "seeds": _read_json(inputs["seeds"]) if "seeds" in inputs else {},
        "groups": list(groups(metrics)),
        "contract": _read_json(inputs["contract"] / FINDINGS),
        "charts": charts,
        "curves": list(training_charts(training)),
        "spikes": spikes(training.loss),
        "confusion": confusion,
        "exact": task.exact,
        "test_rows": len(test),
        "mistakes": browser(
            {"model": (task, test)},
            furthest(faults).tolist(),
            read_split(inputs["prepared"], "test"),
            evaluated.evaluation.slices,
        ),
        "balance": balance(predictions, confusion["labels"], splits),
        "params": [(m.stage, list(_nested(m.params))) for m in manifests.values() if m.params],
        "lineage": [(m, digest(m.files)) for m in manifests.values()],
        "graph": lineage_chart(*made_and_read(name, manifests)),
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


def read_confusion(evaluation: Path) -> Any:
    """The confusion matrix, without a label for a task that has none."""
    path = evaluation / "confusion.json"
    return _read_json(path) if path.is_file() else {"labels": [], "matrix": []}


def balance(
    predictions: "pa.Table", labels: Sequence[str], splits: Sequence[str]
) -> Sequence[tuple[str, Sequence[tuple[int, float]]]]:
    """For each label, its rows in each split, and which share of the split they are."""
    if not labels:
        return []
    rows = predictions.select(["split", "gold"]).to_pylist()
    counts = Counter((row["split"], row["gold"]) for row in rows)
    totals = Counter(row["split"] for row in rows)
    return [
        (label, [(counts[split, label], counts[split, label] / totals[split]) for split in splits])
        for label in labels
    ]


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
