"""Names that a spec can say at a place, and that no model lists: of files, columns, labels."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bertspec.catalog.bases.families import family, family_names
from bertspec.catalog.task import Task
from bertspec.catalog.tasks import TASKS
from bertspec.lsp.header import Headers
from bertspec.lsp.project import spec_names
from bertspec.spec.document import Path_
from bertspec.spec.extends import SUFFIXES, data_set_files
from bertspec.spec.needs import BASE, TEACHER

KEY = "<key>"
"""In a path: a free key of the mapping there."""

ANY = "*"
"""In a path of the table: any key or index."""

_MOST_ENTRIES = 500
"""Files of a folder that are looked at."""


@dataclass(frozen=True)
class Name:
    """Something that can be named."""

    text: str
    about: str = ""


@dataclass(frozen=True)
class Around:
    """Where a name is to be: a file of a project, and what it says so far."""

    path: Path
    root: Path
    value: dict[str, Any]
    """With what it extends and its data set."""
    typed: str
    """What is there of the name already, up to the cursor."""
    headers: Headers

    def section(self, *keys: str) -> Any:
        """The value at some keys; None where there is none."""
        value: Any = self.value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @cached_property
    def kind(self) -> type[Task] | None:
        """The kind of the task, as far as it is said."""
        name = self.section("task", "type")
        return TASKS[name] if isinstance(name, str) and name in TASKS else None

    @cached_property
    def task(self) -> Task | None:
        """The task, where it is valid."""
        try:
            return self.kind.model_validate(self.section("task")) if self.kind else None
        except ValidationError:
            return None


def names_at(path: Path_, around: Around) -> Iterator[Name]:
    """What can be named at a path of the whole spec."""
    for pattern, names in NAMES.items():
        if len(pattern) == len(path) and all(
            wanted in (ANY, part) for wanted, part in zip(pattern, path, strict=True)
        ):
            yield from names(around)
            return


def _labels(around: Around) -> Iterator[Name]:
    said = around.section("task", "labels")
    known = around.task.known_labels() if around.task else said if isinstance(said, list) else ()
    yield from (Name(label, "a label of the task") for label in known if isinstance(label, str))


def _metrics(around: Around) -> Iterator[Name]:
    for name in around.kind.metrics if around.kind else ():
        if not (around.task and around.task.unfit_metric(name)):
            yield Name(name, f"a metric of {around.section('task', 'type')}")


def _best_metrics(around: Around) -> Iterator[Name]:
    yield Name("loss", "the loss, of which less is better")
    yield from _metrics(around)


def _measured(around: Around) -> Iterator[Name]:
    said = around.section("evaluation", "metrics")
    for name in ("loss", *(said if isinstance(said, list) else ())):
        if isinstance(name, str):
            yield Name(name, "is measured")
    for name, (label, metric) in around.task.class_paths().items() if around.task else ():
        yield Name(name, f"{metric} of the class {label}")


def _columns(around: Around) -> Iterator[Name]:
    for column in around.headers.columns(around.section("data", "source"), around.root):
        yield Name(column, "a column of the data")


def _fields(around: Around) -> Iterator[Name]:
    columns = around.section("data", "columns")
    for name in columns if isinstance(columns, dict) else ():
        yield Name(name, "a field of `data.columns`")


def _data_sets(around: Around) -> Iterator[Name]:
    for file in data_set_files(around.path, around.root):
        yield Name(file.stem, os.path.relpath(file, around.root))


def _specs(around: Around) -> Iterator[Name]:
    for name, document in spec_names(around.path.parent):
        if name != around.section("name"):
            yield Name(name, str(document.get("description") or "a spec of the project"))


def _parents(around: Around) -> Iterator[Name]:
    for name in _entries(around.path.parent, around.typed):
        is_other = name.lower().endswith(SUFFIXES) and name != around.path.name
        if is_other or name.endswith("/"):
            yield Name(name)


def _files(around: Around) -> Iterator[Name]:
    yield from map(Name, _entries(around.root, around.typed))


def _entries(base: Path, typed: str) -> Iterator[str]:
    """Paths of what is in the folder that is named so far; folders end in a slash."""
    folder = typed.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    try:
        with os.scandir(base / folder) as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                if not entry.name.startswith("."):
                    yield f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}"
    except (OSError, ValueError):
        return


def _families(_around: Around) -> Iterator[Name]:
    yield from (Name(name, "a family of transformers") for name in family_names())


def _config_keys(around: Around) -> Iterator[Name]:
    known = family(around.section("model", "base", "config", "model_type"))
    keys = ["model_type", *sorted(known.keys)] if known else ["model_type"]
    yield from map(Name, keys)


_LABEL = ("data", "columns", "label")

NAMES: dict[tuple[str | int, ...], Callable[[Around], Iterator[Name]]] = {
    ("extends",): _parents,
    ("data",): _data_sets,
    BASE: _specs,
    TEACHER: _specs,
    ("data", "source", "files", ANY): _files,
    ("data", "source", "files", ANY, ANY): _files,
    (*_LABEL, "map", ANY): _labels,
    (*_LABEL, "other"): _labels,
    (*_LABEL, "value"): _labels,
    ("data", "columns", ANY): _columns,
    ("data", "columns", ANY, "column"): _columns,
    ("data", "where", ANY, "column"): _columns,
    ("data", "split", "group"): _columns,
    ("data", "split", "column"): _columns,
    ("data", "split", "stratify"): _fields,
    ("evaluation", "slices", ANY, "column"): _fields,
    ("evaluation", "metrics", ANY): _metrics,
    ("evaluation", "require", KEY): _measured,
    ("training", "metric_for_best_model"): _best_metrics,
    ("training", "class_weights", KEY): _labels,
    ("model", "base", "config", KEY): _config_keys,
    ("model", "base", "config", "model_type"): _families,
}
"""Who knows the names, by the path at which they can stand."""
