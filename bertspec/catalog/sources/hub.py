"""A data set on the Hugging Face hub, at a pinned revision, through `datasets.load_dataset`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.hub import HubId, Revision
from bertspec.catalog.source import SPLITS, Source, SplitName

if TYPE_CHECKING:
    import pyarrow as pa


class Hub(Source):
    """A hub data set. Nothing of it is executed: scripts and remote code are refused."""

    packages: ClassVar[tuple[str, ...]] = ("datasets", "pyarrow")

    type: Literal["hub"] = Field(description="A data set on the Hugging Face hub.")
    id: HubId = Field(description="Its id, such as `stanfordnlp/imdb`.")
    revision: Revision = Field(description="The commit to take, 40 hexadecimal digits.")
    config: str | None = Field(default=None, description="The configuration (subset) to take.")
    splits: dict[SplitName, str] = Field(
        default={"train": "train"},
        min_length=1,
        description="For each split, its name on the hub, such as `{train: train, test: test}`.",
    )

    def dependencies(self) -> tuple[str, ...]:
        return ()

    def given_splits(self) -> tuple[SplitName, ...]:
        return tuple(s for s in SPLITS if s in self.splits)

    def read(self, root: Path) -> Iterator[tuple[SplitName, "pa.Table"]]:
        raise NotImplementedError
