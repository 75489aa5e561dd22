"""The section `data.columns` of a task: its fields, and how the column of each is read."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from bertspec.catalog.task import Task
from bertspec.importing.columns import Columns
from bertspec.importing.translation import cannot

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


def validated(task: type[Task], options: Mapping[str, Any]) -> Task:
    """Raises InputError (E242) for labels that are none, such as a single one."""
    try:
        return task.model_validate(options)
    except ValidationError as error:
        wrong = error.errors()[0]
        field = wrong["loc"][0] if wrong["loc"] else "task"
        raise cannot(
            f"the {field} that were found are none: {wrong['msg']}",
            "are they of another column, or is it another task?",
        ) from None


def choose_fields(
    task: type[Task], found: Columns | None, columns: Mapping[str, str]
) -> dict[str, str]:
    """Field -> column, for those that must be there. `columns` are some that are known.

    Without a file, columns are called as their fields. Raises InputError (E242) for a field that
    the task does not have, a column that the file does not have, and a field without a column.
    """
    known = (*task.required_columns, *task.optional_columns)
    for field, column in columns.items():
        if field not in known:
            raise cannot(f"the task has no field `{field}`", f"one of: {', '.join(known)}")
        if found:
            require_column(found, column)
    chosen = {field: columns[field] for field in known if field in columns}
    for field in _wanted(task, chosen):
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


def require_column(found: Columns, column: str) -> None:
    """Raises InputError (E242) for a column that the file does not have."""
    if column not in found.names:
        raise cannot(f"{found.path} has no column `{column}`", f"one of: {_listed(found.names)}")


def further_fields(task: Task, found: Columns | None, fields: Mapping[str, str]) -> dict[str, str]:
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


def columns_of(
    task: Task, fields: Mapping[str, str], found: Columns | None = None
) -> dict[str, Any]:
    """The section, from fields and their columns. Raises InputError (E242) for mixed lists."""
    return {field: _column(task, field, column, found) for field, column in fields.items()}


def _column(task: Task, field: str, column: str, found: Columns | None) -> Any:
    kind = task.column_kind(field)
    if kind == "number":
        return {"column": column, "number": True}
    if kind != "list":
        return column
    separator = found.separator(column) if found else None
    if separator is not None:
        return {"column": column, "separator": separator}
    return {"column": column, "list": True}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
