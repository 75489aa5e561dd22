"""The table of data sources."""

from typing import TYPE_CHECKING

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
else:
    AnySource = SOURCES
