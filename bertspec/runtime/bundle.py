"""The bundle: what leaves the pipeline, and what `predict` needs to know of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from bertspec.catalog.long_documents import LongDocuments
from bertspec.core.errors import (
    BertspecError,
    EnvironmentFault,
    InputError,
    is_out_of_memory,
    reason,
)
from bertspec.core.model import Model

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from bertspec.catalog.task import Task

FILE = "bundle.json"
VERSION = 2
ONNX = "onnx"
"""The export in 32-bit floats that predict runs."""

RESTORE = "get the export folder again: `dvc repro` builds it, `dvc pull` fetches it"
"""What to do about an export folder with a broken file."""

ANOTHER = "use the bertspec that made it, or export it again with this one"
"""What to do about one that another bertspec made."""


class Bundle(Model):
    """bundle.json: how to run the exported model as it was measured."""

    version: int
    task: dict[str, Any]
    """The task's options."""
    max_length: int = Field(gt=0)
    long_documents: LongDocuments
    fields: tuple[str, ...] = Field(strict=False)
    """What each input has: fields of `data.columns`."""
    decision: dict[str, float]
    """How scores become predictions, see `Task.decide`."""
    pad_id: int = Field(ge=0)
    models: dict[str, Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")]]
    """Name of an export -> its file, or its folder, in the folder itself: no other may be named."""
    alone: tuple[str, ...] = Field(default=(), strict=False, json_schema_extra={"since": 2})
    """Those of them that run each sequence by itself, see `Export.alone`."""
    default: str = Field(default=ONNX, json_schema_extra={"since": 2})
    """Which of them predict runs when none is named: the first ONNX one of the spec."""

    def runnable(self) -> list[str]:
        """Names of the exports that predict can run."""
        return [name for name, file in self.models.items() if file.endswith(".onnx")]

    def write(self, folder: Path) -> None:
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_bundle(folder: Path) -> Bundle:
    """Raises InputError (E451) for a folder that is no bundle of this version, or a broken one."""
    path = folder / FILE
    if not path.is_file():
        raise InputError.of(
            "E451",
            f"{folder} has no {FILE}, so it is no exported model",
            "name a folder models/NAME/export, or a spec that has been built",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError.of("E451", f"{path} cannot be read: {error}", RESTORE) from None
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise InputError.of(
            "E451",
            f"{path} is of bundle version {version}{', of a newer bertspec' if newer else ''}, "
            f"and this bertspec reads {VERSION}",
            ANOTHER,
        )
    try:
        return Bundle.model_validate(values)
    except ValidationError as error:
        wrong = ", ".join(dict.fromkeys(str(e["loc"][0]) for e in error.errors()))
        raise _invalid(path, wrong, error, values) from None


def _invalid(path: Path, wrong: str, error: ValidationError, values: object) -> BertspecError:
    """E451 for a part of bundle.json, of these `values`, that is not as this bertspec writes it."""
    broken = InputError.of("E451", f"{path} has no valid {wrong}", RESTORE)
    return of_newer(path, error, values) or broken


def of_newer(path: Path, error: ValidationError, values: object) -> BertspecError | None:
    """E451 for a file of these `values` that a newer bertspec may have written, else None.

    It is the same when it has been fetched again.
    """
    newer = dict.fromkeys(said for each in error.errors() if (said := _newer(each, values)))
    if not newer:
        return None
    named = ", ".join(f"`{said}`" for said in newer)
    what = f"{path} says {named}, as a newer bertspec may: this one does not know it"
    return InputError.of("E451", what, ANOTHER)


def _newer(error: "ErrorDetails", values: object) -> str | None:
    """The option, or the kind of something, that is not known; None for what is wrong in any."""
    key, given = _key(error, values), error["input"]
    if error["type"] == "extra_forbidden":
        return key
    if error["type"] == "union_tag_invalid":
        given = given["type"]
    elif error["type"] != "literal_error":
        return None
    return f"{key}: {given}" if isinstance(given, str) else None


def _key(error: "ErrorDetails", values: Any) -> str:
    """The last key of `values` on the way to an error: pydantic also names kinds of a union."""
    found = ""
    for part in error["loc"]:
        if isinstance(values, dict) and part in values:
            found, values = str(part), values[part]
        elif isinstance(values, list) and isinstance(part, int):
            values = values[part]
    return found


def task_of(bundle: Bundle, folder: Path) -> "Task":
    """The task of the folder's bundle. Raises InputError (E451) for one that is none here."""
    from bertspec.catalog.tasks import TASKS

    path = folder / FILE
    kind = bundle.task.get("type")
    if isinstance(kind, str) and kind not in TASKS:
        raise InputError.of(
            "E451", f"{path} is of the task `{kind}`, which this bertspec does not know", ANOTHER
        )
    try:
        task = TASKS[bundle.task["type"]].model_validate(bundle.task)
    except ValidationError as error:
        raise _invalid(path, "task", error, bundle.task) from None
    except (KeyError, TypeError):
        raise InputError.of("E451", f"{path} has no valid task", RESTORE) from None
    known = task.input_columns()
    if not {c for c in known if c in task.required_columns} <= set(bundle.fields) <= set(known):
        raise InputError.of("E451", f"{path} has no valid fields for its task", RESTORE)
    return task


@contextmanager
def loading(path: Path) -> Iterator[None]:
    """Raise InputError (E451) for a file that is missing, and for whatever a library says of it.

    Raises EnvironmentFault (E504) where that is that there is too little memory.
    """
    if not path.exists():
        raise InputError.of("E451", f"{path} is missing", RESTORE)
    try:
        yield
    except (BertspecError, ModuleNotFoundError):
        raise
    except Exception as error:  # noqa: BLE001 - their errors share no class
        if is_out_of_memory(error):
            raise no_memory(str(path), error) from None
        raise InputError.of("E451", f"{path} cannot be loaded: {reason(error)}", RESTORE) from None


def no_memory(
    what: str,
    error: Exception,
    advice: str = "close other programs, or run it on a machine with more memory",
) -> BertspecError:
    """E504: there was too little memory for a model."""
    return EnvironmentFault.of(
        "E504", f"{what} needs more memory than there is: {reason(error)}", advice
    )
