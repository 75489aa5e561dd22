"""A first spec of a task, for a file of data whose columns and labels are looked at."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bertspec.catalog.task import Task
from bertspec.catalog.tasks import TASKS
from bertspec.importing.columns import Columns, read_columns
from bertspec.importing.translation import Translation, base_of, cannot

_CALLED: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "review", "sentence", "sentence1", "content", "message", "comment", "premise"),
    "text_pair": ("text_pair", "sentence2", "hypothesis", "pair", "second"),
    "label": ("label", "labels", "class", "category", "sentiment", "verdict", "target", "score"),
    "tokens": ("tokens", "words"),
    "tags": ("tags", "ner_tags"),
    "spans": ("spans", "entities"),
    "question": ("question", "query"),
    "context": ("context", "passage"),
    "answers": ("answers", "answer"),
    "choices": ("choices", "options", "endings"),
    "negative": ("negative",),
}
"""Field of `data.columns` -> what files often call it, the likeliest first."""

_PLACEHOLDERS = ("first", "second")
_MOST_METRICS = 3


def new_spec(
    name: str, kind: str, data: Path | None, columns: Mapping[str, str], base: str
) -> Translation:
    """A spec of this task. `columns` are fields and the file's columns, where these are not found.

    Raises InputError (E242) for a file that cannot be read, or has no column for a field.
    """
    made = Translation(f"a file of data for {kind}")
    made.name(name)
    found = read_columns(data) if data else None
    task_class = TASKS[kind]
    fields = _fields(task_class, found, columns)
    labels = _labels(kind, fields, found)
    task = {"type": kind} | ({"labels": list(labels)} if labels is not None else {})
    if labels == _PLACEHOLDERS:
        made.open.append("task.labels: as the data has them")
    model = _validated(task_class, task)
    fields |= _optional(model, found, fields)
    if found is None:
        made.open.append("data.source and data.columns: your file, and what its columns are called")
    made.spec["task"] = task
    made.spec["data"] = {
        "source": {
            "type": found.kind if found else "jsonl",
            "files": {"train": str(data or "data/train.jsonl")},
        },
        "columns": {f: _column(model, f, c, found) for f, c in fields.items()},
        "split": {"type": "hash", "validation": 0.1, "test": 0.2},
    }
    made.spec["tokenization"] = {"max_length": 128}
    made.spec["model"] = {"base": base_of(base)}
    made.spec["training"] = {"epochs": 3, "learning_rate": 5e-5, "batch": {"examples": 16}}
    made.spec["evaluation"] = {"metrics": list(_metrics(model, fields))}
    made.spec["export"] = [{"type": "onnx"}]
    return made


def _validated(task: type[Task], options: Mapping[str, Any]) -> Task:
    try:
        return task.model_validate(options)
    except ValidationError as error:
        raise cannot(
            f"the labels of the file are none: {error.errors()[0]['msg']}",
            "`--column label=NAME` names another column",
        ) from None


def _fields(task: type[Task], found: Columns | None, columns: Mapping[str, str]) -> dict[str, str]:
    """Field -> column."""
    known = (*task.required_columns, *task.optional_columns)
    for field, column in columns.items():
        if field not in known:
            raise cannot(f"the task has no field `{field}`", f"one of: {', '.join(known)}")
        if found and column not in found.names:
            raise cannot(
                f"{found.path} has no column `{column}`", f"one of: {_listed(found.names)}"
            )
    chosen = {field: columns[field] for field in known if field in columns}
    wanted = _wanted(task, chosen)
    for field in wanted:
        if found is None:
            chosen.setdefault(field, field)
            continue
        free = {name.lower(): name for name in found.names if name not in chosen.values()}
        near = next((free[name] for name in _CALLED[field] if name in free), None)
        if near is not None:
            chosen.setdefault(field, near)
        elif field not in chosen:
            raise cannot(
                f"{found.path} has no column that is surely `{field}`: {_listed(found.names)}",
                f"`--column {field}=NAME` says which one it is",
            )
    return {field: chosen[field] for field in known if field in chosen}


def _optional(task: Task, found: Columns | None, fields: Mapping[str, str]) -> dict[str, str]:
    """Further fields that the file has columns for, as far as the task has a use for them."""
    chosen: dict[str, str] = {}
    for field in task.optional_columns if task.required_columns else ():
        names = {*(found.names if found else ())} - {*fields.values(), *chosen.values()}
        column = next((name for name in _CALLED[field] if name in names), None)
        if column and not any(task.conflicts({*fields, *chosen, field})):
            chosen[field] = column
    return chosen


def _wanted(task: type[Task], chosen: Mapping[str, str]) -> Iterable[str]:
    """Fields that must be there. Entities have words and tags, or a text and spans."""
    if task.required_columns:
        return task.required_columns
    return ("text", "spans") if {"text", "spans"} & chosen.keys() else ("tokens", "tags")


def _labels(kind: str, fields: Mapping[str, str], found: Columns | None) -> tuple[str, ...] | None:
    if "labels" not in TASKS[kind].model_fields:
        return None
    if found is None:
        return _PLACEHOLDERS
    if kind == "text-classification":
        return found.values(fields["label"])
    if kind == "multi-label-classification":
        return _items(found, fields["label"])
    if "spans" in fields:
        spans = (span for row in found.rows() for span in row.get(fields["spans"]) or ())
        return tuple(sorted({str(span["label"]) for span in spans}))
    tags = _items(found, fields["tags"])
    return tuple(sorted({tag.partition("-")[2] or tag for tag in tags} - {"O"}))


def _items(found: Columns, column: str) -> tuple[str, ...]:
    values = (row.get(column) or () for row in found.rows())
    lists = (v.split(_separator(found, column)) if isinstance(v, str) else v for v in values)
    return tuple(sorted({str(item).strip() for items in lists for item in items} - {""}))


def _separator(found: Columns, column: str) -> str:
    """What is between the items of a list that is written as text."""
    texts = [row.get(column) for row in found.rows()]
    whole = "".join(text for text in texts if isinstance(text, str))
    return next((mark for mark in (";", "|", ",") if mark in whole), " ")


def _column(task: Task, field: str, column: str, found: Columns | None) -> Any:
    kind = task.column_kind(field)
    if kind == "number":
        return {"column": column, "number": True}
    if kind != "list":
        return column
    if found and found.kind in ("csv", "tsv"):
        return {"column": column, "separator": _separator(found, column)}
    return {"column": column, "list": True}


def _metrics(task: Task, fields: Mapping[str, str]) -> Iterable[str]:
    """The headline, and those that stand beside it."""
    fit = [
        name
        for name in task.metrics
        if task.unfit_metric(name) is None and task.metric_columns.get(name, "text") in fields
    ]
    first = [task.headline] if task.headline in task.metrics else []
    return [*first, *(name for name in fit if name not in first)][:_MOST_METRICS]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
