"""JSON Lines: one JSON object a line."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bertspec.catalog.source import FileSource

if TYPE_CHECKING:
    import pyarrow as pa


class Jsonl(FileSource):
    """JSON Lines files in UTF-8; each object's keys are the columns."""

    type: Literal["jsonl"] = Field(description="One JSON object a line.")

    def read_file(self, path: Path, name: str) -> "pa.Table":
        raise NotImplementedError
