"""A data set on the Hugging Face hub, at a pinned revision, through `datasets.load_dataset`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.hub import HubId, Revision, hub_faults, quiet_unless_terminal
from bertspec.catalog.source import FILE_COLUMN, ROW_COLUMN, SPLITS, Source, SplitName
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


class Hub(Source):
    """A hub data set. Nothing of it is executed: it must be data files, not a script."""

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
        import datasets

        quiet_unless_terminal(datasets.disable_progress_bars)
        datasets.logging.set_verbosity_error()
        with hub_faults(f"data set {self.id}", self.revision):
            loaded = datasets.load_dataset(self.id, name=self.config, revision=self.revision)
        for split in self.given_splits():
            name = self.splits[split]
            if name not in loaded:
                raise InputError.of(
                    "E307", f"{self.id} has no split `{name}`", did_you_mean(name, loaded)
                )
            yield split, _table(loaded[name], f"hub:{self.id}/{name}")


def _table(dataset: Any, file: str) -> "pa.Table":
    """A split's table with class indices as their names, and provenance."""
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
    files = pa.array([file] * len(table), pa.dictionary(pa.int32(), pa.string()))
    rows = pa.array(range(1, len(table) + 1), pa.int64())
    return (
        table.append_column(FILE_COLUMN, files)
        .append_column(ROW_COLUMN, rows)
        .replace_schema_metadata(None)
    )
