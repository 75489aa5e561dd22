"""The table of data sources."""

from typing import TYPE_CHECKING

from bertspec.catalog.source import Source
from bertspec.core.kinds import Kinds

SOURCES: Kinds[Source] = Kinds(
    "bertspec.catalog.sources",
    {
        "conll": "conll:Conll",
        "csv": "csv:Csv",
        "hub": "hub:Hub",
        "jsonl": "jsonl:Jsonl",
        "sql": "sql:Sql",
        "squad": "squad:Squad",
        "tsv": "tsv:Tsv",
        "url": "url:Url",
    },
)

if TYPE_CHECKING:
    AnySource = Source
else:
    AnySource = SOURCES.annotation
