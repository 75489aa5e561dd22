"""A first spec of a task, for a file of data whose columns and labels are looked at."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bertspec.catalog.task import Task
from bertspec.catalog.tasks import TASKS
from bertspec.importing.columns import Columns, read_columns
from bertspec.importing.fields import choose_fields, columns_of, further_fields, validated
from bertspec.importing.translation import PLACEHOLDERS, Translation, base_of, cannot

_MOST_METRICS = 3


def new_spec(
    name: str, kind: str, data: Path | None, columns: Mapping[str, str], base: str
) -> Translation:
    """A spec of this task. `columns` are fields and the file's columns, where these are not found.

    Raises InputError: E242 for a file of another kind, or without a column for a field; as sources
    do for one that cannot be read.
    """
    made = Translation(f"A first spec of {kind}, from `bertspec new`.")
    made.name(name)
    found = read_columns(data) if data else None
    task_class = TASKS[kind]
    fields = choose_fields(task_class, found, columns)
    labels = _labels(kind, fields, found)
    task = {"type": kind} | ({"labels": list(labels)} if labels is not None else {})
    if labels is not None and found is None:
        made.open.append("task.labels: as the data has them")
    model = validated(task_class, task)
    fields |= further_fields(model, found, fields)
    if found is None:
        made.open.append("data.source and data.columns: your file, and what its columns are called")
    made.spec["task"] = task
    made.spec["data"] = {
        "source": {
            "type": found.kind if found else "jsonl",
            "files": {"train": str(data or "data/train.jsonl")},
        },
        "columns": columns_of(model, fields, found),
        "split": {"type": "hash", "validation": 0.1, "test": 0.2},
    }
    made.spec["tokenization"] = {"max_length": 128}
    made.spec["model"] = {"base": base_of(base)}
    made.spec["training"] = {"epochs": 3, "learning_rate": 5e-5, "batch": {"examples": 16}}
    made.spec["evaluation"] = {"metrics": list(_metrics(model, fields))}
    made.spec["export"] = [{"type": "onnx"}]
    return made


def _labels(kind: str, fields: Mapping[str, str], found: Columns | None) -> tuple[str, ...] | None:
    if "labels" not in TASKS[kind].model_fields:
        return None
    if found is None:
        return PLACEHOLDERS
    if kind == "text-classification":
        return found.values(fields["label"])
    if kind == "multi-label-classification":
        return found.items(fields["label"])
    if "spans" in fields:
        return found.span_labels(fields["spans"])
    tags = found.items(fields["tags"])
    if any(tag.isdecimal() for tag in tags):
        raise cannot(
            f"{found.path}: `{fields['tags']}` has numbers, and their names are not in the file",
            "write tags such as B-PER, or the spec without --data, where `map` gives them names",
        )
    return tuple(sorted({tag.partition("-")[2] or tag for tag in tags} - {"O"}))


def _metrics(task: Task, fields: Mapping[str, str]) -> Iterable[str]:
    """The headline, and those that stand beside it."""
    fit = [
        name
        for name in task.metrics
        if task.unfit_metric(name) is None and task.metric_columns.get(name, "text") in fields
    ]
    first = [task.headline] if task.headline in task.metrics else []
    return [*first, *(name for name in fit if name not in first)][:_MOST_METRICS]
