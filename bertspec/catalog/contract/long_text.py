"""E608: a text is so long that something may be wrong with it."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule
from bertspec.catalog.task import TEXT_FIELDS


class LongText(Rule):
    """A text has more characters than `characters`."""

    code: ClassVar[str] = "E608"

    severity: Level = Field(default="warn", description=SEVERITY)
    characters: int = Field(default=20_000, ge=1, description="Most characters of a text.")

    def applies(self, data: PreparedData) -> bool:
        return any(data.has(name) for name in TEXT_FIELDS)

    def check(self, data: PreparedData) -> Iterator[Finding]:
        import numpy as np
        from pyarrow import compute as pc

        for name in TEXT_FIELDS:
            if not data.has(name):
                continue
            lengths = np.asarray(pc.utf8_length(data.text(name)))
            rows = np.flatnonzero(lengths > self.characters)
            if not len(rows):
                continue
            has = "1 row has" if len(rows) == 1 else f"{len(rows):,} rows have"
            yield Finding(
                f"{has} more than {self.characters:,} characters in `{name}`, at most "
                f"{lengths.max():,}: {data.places(rows)}",
                "look for files that were not divided, such as by a quote that is not closed; a "
                "model reads only the first `tokenization.max_length` tokens",
                data.broken(rows, [f"{lengths[row]:,} characters in `{name}`" for row in rows]),
            )
