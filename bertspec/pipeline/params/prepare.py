"""What prepare reads: which column means what, and how rows are split."""

from typing import Annotated

from pydantic import Field

from bertspec.core.model import Model
from bertspec.pipeline.params.columns import Columns, later
from bertspec.pipeline.params.split import GivenSplit, HashSplit, KFoldSplit, Split, TimeSplit
from bertspec.pipeline.params.where import Where

__all__ = [
    "Columns",
    "GivenSplit",
    "HashSplit",
    "KFoldSplit",
    "PrepareParams",
    "Split",
    "TimeSplit",
    "Where",
]


class PrepareParams(Model):
    """Params of a prepare stage."""

    columns: Columns
    where: Annotated[tuple[Where, ...], Field(strict=False)] = later("", ())
    split: Split
