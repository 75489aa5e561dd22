"""The contract of a base: the pretrained model and tokenizer that training starts from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from bertspec.catalog.floating import Floating
from bertspec.catalog.material import Material
from bertspec.core.model import Model

if TYPE_CHECKING:
    import pyarrow as pa

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
"""Files of a base artifact, with transformers' names. `tokenizer_config.json` may stand beside."""


class Base(Model, ABC):
    """Options and behaviour of one kind of base."""

    reads_data: ClassVar[bool] = False
    """Whether `build` needs the prepared training data (to train a tokenizer)."""

    type: str

    def packages(self) -> tuple[str, ...]:
        """Distributions whose version can change what `build` gives."""
        return ("safetensors", "tokenizers", "transformers")

    def dependencies(self) -> tuple[str, ...]:
        """Local files or folders that the base comes from, relative to the project."""
        return ()

    def floating(self) -> Sequence[Floating]:
        """What of it the lock must fix."""
        return ()

    def pinned(self, pins: Mapping[str, str]) -> Self:
        """The same with all of it fixed that `pins` has, by its name."""
        return self

    def materials(self) -> Sequence[Material]:
        """What of it lies elsewhere, when all of it is fixed."""
        return ()

    @abstractmethod
    def slug(self) -> str:
        """A short readable name for paths: lower-case letters, digits and dashes."""

    @abstractmethod
    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        """The model's config.json when it can be had at once and without a network."""

    @abstractmethod
    def build(self, target: Path, root: Path, training: "pa.Table | None") -> None:
        """Write CONFIG, WEIGHTS and TOKENIZER into the folder `target`.

        `training` is the prepared training split where `reads_data`, else None.
        Raises InputError for what is not a usable base, EnvironmentFault when it cannot be reached.
        """
