"""E607: a row has nothing to read."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule
from bertspec.catalog.task import TEXT_FIELDS

"""Columns that a model reads."""


class EmptyText(Rule):
    """A text is empty, or has only whitespace and invisible characters."""

    code: ClassVar[str] = "E607"

    severity: Level = Field(default="error", description=SEVERITY)
    letters: bool = Field(
        default=False,
        description="Whether a text without any letter or digit is empty, too, such as `...`.",
    )

    def applies(self, data: PreparedData) -> bool:
        return any(data.has(name) for name in TEXT_FIELDS)

    def check(self, data: PreparedData) -> Iterator[Finding]:
        import numpy as np
        from pyarrow import compute as pc

        pattern = r"[\pL\pN]" if self.letters else r"[^\pZ\p{Cc}\p{Cf}]"
        for name in TEXT_FIELDS:
            if not data.has(name):
                continue
            filled = pc.match_substring_regex(data.text(name), pattern)
            rows = np.flatnonzero(~np.asarray(filled))
            if not len(rows):
                continue
            what = "no letter or digit" if self.letters else "nothing to read"
            has = "1 row has" if len(rows) == 1 else f"{len(rows):,} rows have"
            yield Finding(
                f"{has} {what} in `{name}`: {data.places(rows)}",
                "fill them in or remove the rows",
                data.broken(rows, [f"`{name}` has {what}"] * len(rows)),
            )
