"""A model folder in the project, as `save_pretrained` writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bertspec.catalog.base import Base
from bertspec.catalog.bases.folder import read_config, take_folder
from bertspec.catalog.source import FilePath
from bertspec.core.errors import InputError
from bertspec.core.names import slugify

if TYPE_CHECKING:
    import pyarrow as pa


class LocalBase(Base):
    """A folder with config.json, model.safetensors and tokenizer.json."""

    type: Literal["local"] = Field(description="A model folder in the project.")
    path: FilePath = Field(description="The folder, relative to the project.")

    def dependencies(self) -> tuple[str, ...]:
        return (self.path,)

    def slug(self) -> str:
        return slugify(Path(self.path).name)

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        return read_config(root / self.path)

    def build(self, target: Path, root: Path, training: "pa.Table | None") -> None:
        if not (root / self.path).is_dir():
            raise InputError.of(
                "E401", f"there is no folder {self.path}", "check `model.base.path`"
            )
        take_folder(root / self.path, target, self.path)
