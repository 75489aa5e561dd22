"""A data set on the Hugging Face hub, at a pinned revision, through `datasets.load_dataset`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from bertspec.catalog.files.known_cuts import KnownCuts
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
from bertspec.catalog.source import SPLITS, Piece, Source, SplitName
from bertspec.catalog.tables import pieces_of
from bertspec.core.errors import EnvironmentFault, InputError, reason
from bertspec.core.names import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


class Hub(Source):
    """A hub data set. Nothing of it is executed: it must be data files, not a script."""

    packages: ClassVar[tuple[str, ...]] = ("datasets", "huggingface_hub", "pandas", "pyarrow")

    type: Literal["hub"] = Field(description="A data set on the Hugging Face hub.")
    id: HubId = Field(description="Its id, such as `stanfordnlp/imdb`.")
    revision: Revision = Field(description=REVISION)
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

    def floating(self) -> Sequence[Floating]:
        return floating_revision("datasets", self.id, self.revision)

    def pinned(self, pins: Mapping[str, str]) -> Self:
        return self.model_copy(update=pinned_revision(self.floating(), pins))

    def materials(self) -> Sequence[Material]:
        return (of_hub(f"datasets/{self.id}", self.revision),)

    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        import datasets
        from huggingface_hub.utils import logging

        quiet_unless_terminal(datasets.disable_progress_bars)
        quiet_unless_terminal(logging.set_verbosity_error)
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # its errors are raised as well
        with hub_faults(f"data set {self.id}", self.revision), self._file_faults():
            # As load_dataset does it, with a look at what is loaded in between.
            builder = datasets.load_dataset_builder(
                self.id, name=self.config, revision=self.revision
            )
            self._refuse_another_revision(builder)
            builder.download_and_prepare()
            loaded = builder.as_dataset()
        for split in self.given_splits():
            name = self.splits[split]
            if name not in loaded:
                raise InputError.of(
                    "E307", f"{self.id} has no split `{name}`", did_you_mean(name, loaded)
                )
            for piece in pieces_of([_table(loaded[name])], f"hub:{self.id}/{name}"):
                yield split, piece

    def _refuse_another_revision(self, builder: Any) -> None:
        """Without the hub, datasets takes what it cached last: any revision, any configuration."""
        from datasets.packaged_modules.cache.cache import Cache

        wanted = (self.revision, self.config or "default")
        if isinstance(builder, Cache) and (builder.hash, builder.config.name) != wanted:
            raise EnvironmentFault.of(
                "E505",
                f"the hub cannot be reached, and its cache holds data set {self.id} at "
                f"{builder.hash} ({builder.config.name}), not at {self.revision} ({wanted[1]})",
                "check the network, the proxy and HF_ENDPOINT, and that HF_HUB_OFFLINE is not set",
            )

    @contextmanager
    def _file_faults(self) -> Iterator[None]:
        """Raise InputError (E306) for a script, and for files that datasets cannot read."""
        from datasets.exceptions import DatasetBuildError

        try:
            yield
        except (DatasetBuildError, RuntimeError, StopIteration) as error:
            # What an empty file gives is a bare StopIteration.
            empty = isinstance(error, StopIteration)
            cause = error.__cause__ or error
            if isinstance(cause, OSError):  # a full disk, or the hub gone in the middle
                raise cause from None
            raise InputError.of(
                "E306",
                f"data set {self.id} at {self.revision} cannot be read: "
                f"{'a file of it is empty' if empty else reason(cause)}",
                "take one of data files, such as Parquet or CSV, without a script",
            ) from None


def _table(dataset: Any) -> "pa.Table":
    """A split's table with class indices as their names."""
    import datasets
    import pyarrow as pa
    from pyarrow import compute as pc

    table: pa.Table = dataset.data.table.combine_chunks()
    for name, feature in dataset.features.items():
        if isinstance(feature, datasets.ClassLabel):
            names = pa.array(feature.names, pa.string())
            # The hub marks an unlabelled row with -1; it becomes null here.
            column = table[name]
            indices = pc.if_else(pc.greater_equal(column, 0), column, None)
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, names.take(indices.combine_chunks()))
    return table.replace_schema_metadata(None)
