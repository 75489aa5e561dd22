"""bertspec.lock, what would float, fixed: hub commits, file digests, package versions, threads,
device, precision, hardware class.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError

from bertspec.core import looks
from bertspec.core.errors import InputError
from bertspec.core.model import Model
from bertspec.core.yaml import dump, load_plain
from bertspec.pipeline.layout import LOCK_FILE

HEADER = "# Written by `bertspec lock`. Commit it: with the spec it determines every artifact.\n"


def _later(description: str, default: Any = None) -> Any:
    """A key that is left out at its default, so that a lock without it stays as it is."""
    return Field(default=default, description=description, json_schema_extra={"since": 2})


class Hardware(Model):
    """A class of machines: those of one class round alike."""

    isa: str = Field(description="What torch computes with, such as `avx2`.")
    blas: str = Field(description="The library of its matrix products: mkl, openblas, ...")
    gpu: str | None = _later("The GPU's name, where the device is one.")

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.isa, self.blas, self.gpu)))


class Lock(Model):
    """The lock of a project. With the specs it determines the compiled pipeline."""

    version: int = Field(default=1, ge=1, le=1, description="Version of the lock file.")
    threads: int = Field(ge=1, description="Threads of every stage that computes with torch.")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="Where models are trained and evaluated: the processor, or a GPU by CUDA.",
    )
    precision: Literal["fp32", "bf16"] | None = _later("What `precision: auto` is.")
    hardware: Hardware | None = _later(
        "The class of the machine that the bits are those of. Another class rebuilds nothing: "
        "it is told of. Null where it is still open: for a GPU, where none was there to ask."
    )
    hub: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]] = _later(
        "Commit of each branch or tag of the hub, such as `models/acme/tiny@main`.", {}
    )
    files: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = _later(
        "SHA-256 of the file at each address that has none in its spec.", {}
    )
    packages: dict[str, str] = Field(
        description="Version of each distribution that a stage uses, without its local part."
    )

    @property
    def pins(self) -> Mapping[str, str]:
        """What is fixed of sources and bases, by its name."""
        return {**self.hub, **self.files}

    def to_text(self) -> str:
        """The file's text; equal for equal locks."""
        return HEADER + dump(self.model_dump(mode="json"))


def read_lock(root: Path) -> Lock | None:
    """The project's lock, or None when it has none. Raises InputError for one that is not valid."""
    path = root / LOCK_FILE
    try:
        return Lock.model_validate(load_plain(looks.read_bytes(path).decode("utf-8")))
    except FileNotFoundError:
        return None
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError.of(
            "E208", f"{LOCK_FILE} cannot be read: {reason}", "run `bertspec lock` to write it anew"
        ) from None


def require_lock(root: Path) -> Lock:
    """The project's lock. Raises InputError (E207) when it has none, and as `read_lock` does."""
    lock = read_lock(root)
    if lock is None:
        raise InputError.of("E207", f"there is no {LOCK_FILE} here", "run `bertspec lock`")
    return lock
