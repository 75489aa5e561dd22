"""E604: a text is in a split more than once."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import SHOWN, PreparedData, groups
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule


class DuplicatesWithinSplit(Rule):
    """The same text, but for case, punctuation and spacing, is in one split more than once."""

    code: ClassVar[str] = "E604"

    severity: Level = Field(default="warn", description=SEVERITY)

    def applies(self, data: PreparedData) -> bool:
        return bool(data.content)

    def check(self, data: PreparedData) -> Iterator[Finding]:
        import numpy as np

        known = np.flatnonzero(data.keys >= 0)
        keys = data.keys * 3 + data.split_codes
        _, inverse, counts = np.unique(keys[known], return_inverse=True, return_counts=True)
        found = groups(keys, known[counts[inverse] > 1])
        if not found:
            return
        rows: list[int] = []
        notes: list[str] = []
        for group in found:
            first = data.place(int(group[0]))
            rows.extend(group[1:])
            notes.extend([f"same text as {first}"] * (len(group) - 1))
        examples = "; ".join(
            f"{data.excerpt(int(g[0]))} in {data.places(g)}" for g in found[:SHOWN]
        )
        repeats = "1 row repeats" if len(rows) == 1 else f"{len(rows):,} rows repeat"
        yield Finding(
            f"{repeats} the text of an earlier row of the same split: {examples}",
            "remove the repeats, unless they are as frequent where the model will be used",
            data.broken(rows, notes),
        )
