"""Tab-separated values, where a quote is only a quote (as GLUE and SST-2 have it)."""

from typing import ClassVar, Literal

from pydantic import Field

from bertspec.catalog.files.cutting import Ends
from bertspec.catalog.files.records import line_ends
from bertspec.catalog.sources.csv import Csv


class Tsv(Csv):
    """TSV files: one record a line, no quoting."""

    type: Literal["tsv"] = Field(description="Tab-separated values; quotes are literal text.")  # type: ignore[assignment]

    delimiter: ClassVar[str] = "\t"
    quoting: ClassVar[bool] = False
    ends: ClassVar[Ends] = staticmethod(line_ends)
