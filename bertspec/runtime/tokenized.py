"""What tokenize says of the token ids beside them, for the stages that read them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertspec.catalog.task import Task
from bertspec.core.errors import InputError

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
    """Raises InputError (E205) when the rows were tokenized for another task than `task`."""
    about = Tokenized(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    if about.task != task.model_dump(mode="json"):
        raise InputError.of(
            "E205",
            "the task in params.yaml is not the one that the data was tokenized for",
            "change the task in the spec and run `bertspec compile`, not in params.yaml alone",
        )
    return about
