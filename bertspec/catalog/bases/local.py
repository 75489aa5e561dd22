"""A model folder in the project, as `save_pretrained` writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bertspec.catalog.base import Base
from bertspec.catalog.source import FilePath
from bertspec.core.names import slugify


class LocalBase(Base):
    """A folder with config.json, model.safetensors and tokenizer.json."""

    type: Literal["local"] = Field(description="A model folder in the project.")
    path: FilePath = Field(description="The folder, relative to the project.")

    def dependencies(self) -> tuple[str, ...]:
        return (self.path,)

    def slug(self) -> str:
        return slugify(Path(self.path).name)

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        raise NotImplementedError

    def build(self, target: Path, root: Path, prepared: Path | None) -> None:
        raise NotImplementedError
