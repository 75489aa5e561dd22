"""Models to compare, written by hand: what evaluate leaves behind."""

import json

import pyarrow as pa

from bertspec.runtime.tables import write_parquet
from tests.projects import Project
from tests.stages import prepared_rows

METRICS = {"classes": {"bad": {"f1": 0.5, "rows": 18}}, "slices": {"<i>": {"f1": 0.25}}}


def write_model(project: Project, name: str, wrong: set[int], sure: float = 0.9) -> None:
    """With test rows of these numbers wrong, each predicted with the probability `sure`."""
    ids, gold = (prepared_rows(project, "test")[c].to_pylist() for c in ("id", "label"))
    other = {"good": "bad", "bad": "good"}
    said = [other[g] if i in wrong else g for i, g in enumerate(gold)]
    scores = [[1 - sure, sure] if s == "good" else [sure, 1 - sure] for s in said]
    table = pa.table({"id": ids, "gold": gold, "prediction": said, "scores": scores})
    write_predictions(project, name, table)


def write_predictions(project: Project, name: str, table: pa.Table) -> None:
    """The model whose predictions for its test rows are these, and all that is beside them."""
    folder = project.root / "models" / name
    table = table.append_column("split", pa.array(["test"] * len(table)))
    (folder / "evaluation").mkdir(parents=True, exist_ok=True)
    write_parquet(table, folder / "evaluation/predictions.parquet")
    (folder / "metrics.json").write_text(json.dumps(METRICS), encoding="utf-8")
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    (plots / "loss.csv").write_text("step,loss\n0,1.0\n1,0.5\n")
    (plots / "learning_rate.csv").write_text("step,learning_rate\n0,0.1\n1,0.0\n")
    (plots / "validation.csv").write_text("epoch,train_loss,f1\n1,0.5,0.75\n")
