"""evaluate: metrics of each split, predictions, and the over- or underfitting verdict."""

import csv
import json
import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.source import SPLITS
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.progress import progress
from bertspec.pipeline.params.evaluate import EvaluateParams, Evaluation
from bertspec.runtime.context import Context
from bertspec.runtime.fit import verdict
from bertspec.runtime.inference import infer
from bertspec.runtime.tables import write_parquet
from bertspec.runtime.tokenized import read_tokenized
from bertspec.runtime.torch_setup import deterministic, quiet
from bertspec.runtime.trained import load_trained, pad_id_of
from bertspec.runtime.training.batches import read_tokens

if TYPE_CHECKING:
    import pyarrow as pa

_OPERATORS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


def run(context: Context[EvaluateParams]) -> Sequence[Diagnostic]:
    """Write predictions.parquet and confusion.json, metrics.json, and the confusion plot.

    Returns a finding (E410) for each bound of `require` that does not hold on the test split,
    and (E411) for one on a metric that the test split does not define.
    Raises InputError: E409 when there is no test row, E404 for a model that gives no numbers.
    """
    import pyarrow as pa

    task, options = context.params.task, context.params.evaluation
    trained = context.inputs["trained"]
    quiet()
    deterministic(0, context.threads)
    read_tokenized(context.inputs["tokenized"], task)
    model, pad_id = load_trained(trained), pad_id_of(trained)
    splits = {s: read_tokens(context.inputs["tokenized"], s, task) for s in SPLITS}
    if not len(splits["test"]):
        raise InputError.of("E409", "the test split has no row", "give it a share in `data.split`")
    metrics: dict[str, Any] = {}
    tables: dict[str, pa.Table] = {}
    with progress("evaluate", sum(len(tokens) for tokens in splits.values())) as bar:
        for split, tokens in splits.items():
            if not len(tokens):
                continue
            logits, loss = infer(model, task, tokens, pad_id, bar)
            if not math.isfinite(loss):
                raise InputError.of(
                    "E404",
                    f"the loss on the {split} split is {loss}: training diverged",
                    "train again with a lower `training.learning_rate`",
                )
            table = task.predictions(tokens.row_ids, tokens.targets, logits)
            names = list(dict.fromkeys([*options.metrics, task.headline]))
            measured = task.measure(names, table)
            metrics[split] = {**measured, "loss": loss}
            tables[split] = table.append_column("split", pa.array([split] * len(table)))
    metrics["fit"] = verdict(task.headline, metrics, tables["test"], options.fit)
    folder = context.outputs["evaluation"]
    write_parquet(pa.concat_tables(tables.values()), folder / "predictions.parquet")
    _write_confusion(tables["test"], task.label_names(), folder, context.outputs["confusion"])
    _write_json(metrics, context.outputs["metrics"])
    return list(_broken(options, metrics["test"]))


def _broken(options: Evaluation, test: dict[str, float]) -> list[Diagnostic]:
    found = []
    for name, bound in sorted(options.require.items()):
        sign, limit = bound.rstrip("0123456789. -"), float(bound.lstrip("<>= "))
        if name not in test:
            found.append(
                Diagnostic(
                    "E411",
                    f"{name} is not defined on the test split, required is {bound}",
                    "all its rows have one label: give the test split more rows",
                )
            )
        elif not _OPERATORS[sign](test[name], limit):
            found.append(
                Diagnostic(
                    "E410",
                    f"{name} is {test[name]:.4f} on the test split, required is {bound}",
                    "the model is built and its metrics written; improve it, or lower "
                    f"`evaluation.require.{name}`",
                )
            )
    return found


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
