"""What tokenize says of the token ids beside them, for the stages that read them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.batch import EXAMPLE
from bertspec.catalog.task import Task
from bertspec.core.errors import InputError, reason

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "about.json"


@dataclass(frozen=True)
class Tokenized:
    """about.json: what the token ids are of, and what cannot be seen from the ids alone."""

    task: dict[str, Any]
    """The task's options: token ids and targets are made for these."""
    tokenization: dict[str, Any]
    """How texts became token ids."""
    fields: list[str]
    """What each row has of `Task.input_columns`."""

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_tokenized(folder: Path, task: Task) -> Tokenized:
    """Raises InputError: E206 for an about.json that is not as tokenize wrote it, E205 when the
    rows were tokenized for another task than `task`.
    """
    about = _read(folder / FILE)
    if about.task != task.as_read_by("tokenize"):
        raise InputError.of(
            "E205",
            "the task in params.yaml is not the one that the data was tokenized for",
            "change the task in the spec and run `bertspec compile`, not in params.yaml alone",
        )
    return about


def first_sequences(table: "pa.Table") -> "pa.Table":
    """Of a tokenized shard the first sequence of each row, where the row's counts stand."""
    import numpy as np
    import pyarrow as pa

    return table.filter(pa.array(np.diff(table[EXAMPLE].to_numpy(), prepend=-1) > 0))


def _read(path: Path) -> Tokenized:
    try:
        about = Tokenized(**json.loads(path.read_text(encoding="utf-8")))
        options = about.tokenization
        parts = (about.task, options["max_length"], options["long_documents"], about.fields)
        if tuple(map(type, parts)) != (dict, int, dict, list):
            raise ValueError("a value of another type than tokenize writes")  # noqa: TRY301
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = "it is missing" if isinstance(error, FileNotFoundError) else reason(error)
        raise InputError.of(
            "E206",
            f"{path.as_posix()} cannot be read: {why}",
            "`dvc repro` builds it again",
        ) from None
    return about
