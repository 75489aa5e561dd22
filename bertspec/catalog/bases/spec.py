"""The trained model of another spec of the project."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.base import CONFIG, WEIGHTS, Base
from bertspec.catalog.bases.folder import take_folder
from bertspec.catalog.task_parts.loading import HEAD_DROPOUTS
from bertspec.core.names import NAME_PATTERN

if TYPE_CHECKING:
    import pyarrow as pa

OF_THE_HEAD = ("id2label", "label2id", "num_labels", "problem_type", "is_decoder", *HEAD_DROPOUTS)
"""Keys of a config that are of what the other spec trained for, and not of the encoder."""


class SpecBase(Base):
    """Such as a model that has read the texts of a domain before it learns a task in it
    (Gururangan et al., 2020).
    """

    type: Literal["spec"] = Field(description="The trained model of another spec of the project.")
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)] = Field(
        description="The name of the spec."
    )

    def slug(self) -> str:
        return self.name

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        return None

    @property
    def trained(self) -> str:
        """The folder that the other spec's train stage writes."""
        return f"models/{self.name}/trained"

    def build(self, target: Path, root: Path, training: "pa.Table | None") -> None:
        take_folder(root / self.trained, target, self.trained)
        path = target / CONFIG
        config = json.loads(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in config.items() if key not in OF_THE_HEAD}
        path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        _without_head(target / WEIGHTS, config["architectures"][0])


def _without_head(path: Path, architecture: str) -> None:
    """Leave out the weights of the head: another task has other labels, or an order of its own.

    The head of a language model says words in every task that has one, and stays.
    """
    import transformers
    from safetensors.torch import load_file, save_file

    encoder = f"{getattr(transformers, architecture).base_model_prefix}."
    weights = load_file(path)
    of_encoder = {name: value for name, value in weights.items() if name.startswith(encoder)}
    if of_encoder and "LM" not in architecture:
        save_file(of_encoder, path, metadata={"format": "pt"})
