"""Comma-separated values (RFC 4180): quoted fields may hold commas, quotes and line breaks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.source import FileSource

if TYPE_CHECKING:
    import pyarrow as pa


class Csv(FileSource):
    """CSV files with a header line, in UTF-8."""

    type: Literal["csv"] = Field(description="Comma-separated values.")
    column_names: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="Names of the columns when the files have no header line."
    )

    delimiter: ClassVar[str] = ","
    quoting: ClassVar[bool] = True

    def read_file(self, path: Path, name: str) -> "pa.Table":
        raise NotImplementedError
