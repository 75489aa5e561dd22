"""The table of data sources."""

from typing import TYPE_CHECKING, Any

from bertspec.catalog.source import Source
from bertspec.core.kinds import Kinds

SOURCES: Kinds[Source] = Kinds(
    "bertspec.catalog.sources",
    {
        "arrow": "arrow:Arrow",
        "conll": "conll:Conll",
        "csv": "csv:Csv",
        "folder": "folder:Folder",
        "hub": "hub:Hub",
        "joined": "joined:Joined",
        "json": "json:Json",
        "jsonl": "jsonl:Jsonl",
        "parquet": "parquet:Parquet",
        "sql": "sql:Sql",
        "squad": "squad:Squad",
        "text": "text:Text",
        "tsv": "tsv:Tsv",
        "url": "url:Url",
    },
)

if TYPE_CHECKING:
    AnySource = Source
    OneSource = Source
else:
    OneSource = SOURCES.one

    def __getattr__(name: str) -> Any:
        """`AnySource`, for which all of them are imported."""
        if name == "AnySource":
            return SOURCES.annotation
        raise AttributeError(name)
