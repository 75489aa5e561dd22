"""E130: regular expressions are ones that Arrow reads."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import reason
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    for index, condition in enumerate(getattr(loaded.spec.data, "where", ())):
        if condition.matches is None:
            continue
        import pyarrow as pa
        from pyarrow import compute as pc

        try:
            pc.match_substring_regex(pa.scalar(""), condition.matches)
        except pa.ArrowInvalid as error:
            yield finding(
                "E130",
                loaded,
                ("data", "where", index, "matches"),
                reason(error),
                "write a regular expression of RE2: it has no look-ahead and no back references",
            )
