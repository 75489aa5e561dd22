"""evaluate: metrics of each split, predictions, and the over- or underfitting verdict."""

import csv
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.catalog.task import Decision, Task
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.progress import progress
from bertspec.pipeline.layout import CURVES
from bertspec.pipeline.params.evaluate import EvaluateParams, Evaluation
from bertspec.runtime.context import Context
from bertspec.runtime.evaluate_findings import broken, unfitted
from bertspec.runtime.examples import Examples, read_examples
from bertspec.runtime.fit import verdict
from bertspec.runtime.inference import infer, model_runner
from bertspec.runtime.predictions import predicted
from bertspec.runtime.statistics import by_slice, intervals
from bertspec.runtime.tables import write_csv, write_parquet
from bertspec.runtime.tokenized import read_tokenized
from bertspec.runtime.torch_setup import deterministic, device_of, quiet
from bertspec.runtime.trained import load_trained, pad_id_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def run(context: Context[EvaluateParams]) -> Sequence[Diagnostic]:
    """Write predictions.parquet, metrics.json and decision.json, the curves of the training where
    DVC plots them, and for labels their confusion.

    Returns a finding (E410) for each bound of `require` that does not hold on the test split,
    (E411) for one on a metric that the test split does not define, and (E412) for what was to be
    fitted on validation and could not be.
    Raises InputError: E409 when there is no test row, E404 for a model that gives no numbers;
    EnvironmentFault: E508 for no GPU where the lock says one.
    """
    import pyarrow as pa

    task, options = context.params.task, context.params.evaluation
    trained, tokenized = context.inputs["trained"], context.inputs["tokenized"]
    quiet()
    deterministic(0, context.threads)
    read_tokenized(tokenized, task)
    aggregate = context.params.aggregate
    model, pad_id = load_trained(trained, device_of(context.device)), pad_id_of(trained)
    prepared = context.inputs["prepared"]
    splits = {s: read_examples(prepared, tokenized, s, aggregate) for s in SPLITS}
    if not len(splits["test"]):
        raise InputError.of("E409", "the test split has no row", "give it a share in `data.split`")
    splits = {split: examples for split, examples in splits.items() if len(examples)}
    kept: dict[SplitName, Sequence[np.ndarray]] = {}
    losses: dict[SplitName, float] = {}
    with progress("evaluate", sum(len(e.tokens) for e in splits.values())) as bar:
        for split, examples in splits.items():
            kept[split], losses[split] = infer(
                model_runner(model, task), task, examples.tokens, pad_id, bar
            )
            if not math.isfinite(losses[split]):
                raise InputError.of(
                    "E404",
                    f"the loss on the {split} split is {losses[split]}: training diverged",
                    "train again with a lower `training.learning_rate`",
                )
    decision: Decision = {}
    if "validation" in splits:
        unseen = splits["validation"]
        decision = task.decide(unseen.rows, unseen.tokens, kept["validation"])
    names = list(dict.fromkeys([*options.metrics, task.headline]))
    tables = {s: predicted(task, e, kept[s], decision) for s, e in splits.items()}
    metrics: dict[str, Any] = {
        s: {**task.measure(names, table), "loss": losses[s]} for s, table in tables.items()
    }
    details = _details(task, options, names, tables["test"], splits)
    interval = details.get("intervals", {}).get(task.headline)
    metrics["fit"] = verdict(task, metrics, tables["test"], options.fit, interval)
    metrics |= details
    folder = context.outputs["evaluation"]
    named = [
        table.append_column("split", pa.repeat(pa.scalar(s, pa.string()), len(table)))
        for s, table in tables.items()
    ]
    write_parquet(pa.concat_tables(named), folder / "predictions.parquet")
    if "confusion" in context.outputs:
        labels = task.label_names()
        _write_confusion(tables["test"], labels, folder, context.outputs["confusion"])
        write_csv(task.reliability(tables["test"]), context.outputs["reliability"])
    for name in CURVES:
        shutil.copyfile(context.inputs[name], context.outputs[name])
    _write_json(metrics, context.outputs["metrics"])
    _write_json(dict(decision), context.outputs["decision"])
    return [
        *unfitted(task, splits.get("validation"), decision),
        *broken(task, options, metrics),
    ]


def _details(
    task: Task,
    options: Evaluation,
    names: Sequence[str],
    test: "pa.Table",
    splits: Mapping[SplitName, Examples],
) -> dict[str, Any]:
    """What else is said of the test split."""
    found: dict[str, Any] = {}
    if options.intervals is not None:
        measure = task.measurer(names, test)
        found["intervals"] = intervals(measure, len(test), options.intervals)
    found["classes"] = task.measure_classes(test)
    found["slices"] = by_slice(
        lambda rows: task.measure(names, test.take(rows)), splits["test"].rows, options.slices
    )
    if options.baselines and "train" in splits:
        with progress("simple models", None):
            simple = task.baselines(splits)
        found["baselines"] = {name: task.measure(names, table) for name, table in simple.items()}
    return {name: value for name, value in found.items() if value}


def _write_confusion(test: "pa.Table", labels: Sequence[str], folder: Path, plot: Path) -> None:
    from sklearn.metrics import confusion_matrix

    gold, predicted = test["gold"].to_pylist(), test["prediction"].to_pylist()
    matrix = confusion_matrix(gold, predicted, labels=list(labels)).tolist()
    _write_json({"labels": list(labels), "matrix": matrix}, folder / "confusion.json")
    with plot.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["actual", "predicted"])
        writer.writerows(sorted(zip(gold, predicted, strict=True)))


def _write_json(value: Any, path: Path) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
