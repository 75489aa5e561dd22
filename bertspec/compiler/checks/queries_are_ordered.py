"""E140: a query says the order of its rows, or the database gives them as it likes."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    source = loaded.spec.data.source
    if source.type != "sql":
        return
    from bertspec.catalog.sources.sql import Sql, is_ordered

    assert isinstance(source, Sql)  # noqa: S101 - for mypy
    for split, query in source.query.items():
        if not is_ordered(query):
            yield finding(
                "E140",
                loaded,
                ("data", "source", "query", split),
                f"the query of `{split}` does not say the order of its rows",
                "end it with `order by` and columns that tell all rows apart, such as `order by "
                "id` or `order by rowid`",
            )
