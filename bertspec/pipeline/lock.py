"""bertspec.lock: what would float, fixed: package versions, number of threads and device."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from bertspec.core.errors import InputError
from bertspec.core.model import Model
from bertspec.core.yaml import dump, load_plain
from bertspec.pipeline.layout import LOCK_FILE

HEADER = "# Written by `bertspec lock`. Commit it: with the spec it determines every artifact.\n"


class Lock(Model):
    """The lock of a project. With the specs it determines the compiled pipeline."""

    version: int = Field(default=1, ge=1, le=1, description="Version of the lock file.")
    threads: int = Field(ge=1, description="Threads of every stage that computes with torch.")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="Where models are trained and evaluated: the processor, or a GPU by CUDA.",
    )
    packages: dict[str, str] = Field(
        description="Version of each distribution that a stage uses, without its local part."
    )

    def to_text(self) -> str:
        """The file's text; equal for equal locks."""
        return HEADER + dump(self.model_dump(mode="json"))


def read_lock(root: Path) -> Lock | None:
    """The project's lock, or None when it has none. Raises InputError for one that is not valid."""
    path = root / LOCK_FILE
    try:
        return Lock.model_validate(load_plain(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError.of(
            "E208", f"{LOCK_FILE} cannot be read: {reason}", "run `bertspec lock` to write it anew"
        ) from None
