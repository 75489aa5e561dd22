"""What tokenize says of the token ids beside them, for the stages that read them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertspec.catalog.task import Task
from bertspec.core.errors import InputError, reason

FILE = "about.json"


@dataclass(frozen=True)
class Tokenized:
    """about.json: what the token ids are of, and what cannot be seen from the ids alone."""

    task: dict[str, Any]
    """The task's options: token ids and targets are made for these."""
    pairs: bool
    """Whether each row has two texts. Not every tokenizer gives the second other type ids."""
    max_length: int

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_tokenized(folder: Path, task: Task) -> Tokenized:
    """Raises InputError: E206 for an about.json that is not as tokenize wrote it, E205 when the
    rows were tokenized for another task than `task`.
    """
    about = _read(folder / FILE)
    if about.task != task.model_dump(mode="json"):
        raise InputError.of(
            "E205",
            "the task in params.yaml is not the one that the data was tokenized for",
            "change the task in the spec and run `bertspec compile`, not in params.yaml alone",
        )
    return about


def _read(path: Path) -> Tokenized:
    try:
        about = Tokenized(**json.loads(path.read_text(encoding="utf-8")))
        types = (type(about.task), type(about.pairs), type(about.max_length))
        if types != (dict, bool, int):
            raise ValueError("a value of another type than tokenize writes")  # noqa: TRY301
    except (OSError, ValueError, TypeError, RecursionError) as error:
        why = "it is missing" if isinstance(error, FileNotFoundError) else reason(error)
        raise InputError.of(
            "E206",
            f"{path.as_posix()} cannot be read: {why}",
            "`dvc repro` builds it again",
        ) from None
    return about
