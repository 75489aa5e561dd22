"""A model on the Hugging Face hub, at a pinned commit, through `huggingface_hub`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from bertspec.catalog.base import Base
from bertspec.catalog.bases.folder import WANTED, take_folder
from bertspec.catalog.floating import Floating
from bertspec.catalog.hub import (
    REVISION,
    HubId,
    Revision,
    floating_revision,
    hub_faults,
    pinned_revision,
    quiet_unless_terminal,
)
from bertspec.catalog.material import Material, of_hub
from bertspec.core.names import slugify

if TYPE_CHECKING:
    import pyarrow as pa


class HubBase(Base):
    """A pretrained model on the hub. Only safetensors weights are taken, and no code."""

    type: Literal["hub"] = Field(description="A model on the Hugging Face hub.")
    id: HubId = Field(description="Its id, such as `google-bert/bert-base-uncased`.")
    revision: Revision = Field(description=REVISION)

    def packages(self) -> tuple[str, ...]:
        return (*super().packages(), "huggingface_hub")

    def floating(self) -> Sequence[Floating]:
        return floating_revision("models", self.id, self.revision)

    def pinned(self, pins: Mapping[str, str]) -> Self:
        return self.model_copy(update=pinned_revision(self.floating(), pins))

    def materials(self) -> Sequence[Material]:
        return (of_hub(self.id, self.revision),)

    def slug(self) -> str:
        return slugify(self.id.rpartition("/")[2])

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        return None

    def build(self, target: Path, root: Path, training: "pa.Table | None") -> None:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils.tqdm import disable_progress_bars

        quiet_unless_terminal(disable_progress_bars)
        with hub_faults(f"model {self.id}", self.revision):
            folder = snapshot_download(self.id, revision=self.revision, allow_patterns=list(WANTED))
        take_folder(Path(folder), target, self.id)
