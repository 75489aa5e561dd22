"""E601: a text is in more than one split, so that the model is tested on what it has seen."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import SHOWN, PreparedData, groups
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule

if TYPE_CHECKING:
    import numpy as np


class DuplicatesAcrossSplits(Rule):
    """The same text, but for case, punctuation and spacing, is in more than one split."""

    code: ClassVar[str] = "E601"

    severity: Level = Field(default="error", description=SEVERITY)

    def applies(self, data: PreparedData) -> bool:
        return bool(data.content) and len(data.splits) > 1

    def check(self, data: PreparedData) -> Iterator[Finding]:
        import numpy as np

        found = groups(data.keys, np.flatnonzero(_leaking(data)))
        if not found:
            return
        rows: list[int] = []
        notes: list[str] = []
        for group in found:
            splits = data.split_codes[group]
            first, other = group[0], group[splits != splits[0]][0]
            partners = np.where(splits == splits[0], other, first)
            named = {int(row): data.place(int(row)) for row in (first, other)}
            rows.extend(group)
            notes.extend(f"same text as {named[int(p)]}" for p in partners)
        examples = "; ".join(
            f"{data.excerpt(int(g[0]))} in {data.places(g)}" for g in found[:SHOWN]
        )
        count = "1 text is" if len(found) == 1 else f"{len(found):,} texts are"
        yield Finding(
            f"{count} in more than one split, in {len(rows):,} rows: {examples}",
            "remove the rows from all splits but one",
            data.broken(rows, notes),
        )


def _leaking(data: PreparedData) -> "np.ndarray":
    """Which rows have a key that is in more than one split."""
    import numpy as np

    keys = data.keys
    size = int(keys.max(initial=-1)) + 1
    splits_of = np.zeros(size, dtype=np.int8)
    known = keys >= 0
    for code in range(3):
        splits_of[np.unique(keys[known & (data.split_codes == code)])] += 1
    result = np.zeros(len(keys), dtype=bool)
    result[known] = splits_of[keys[known]] > 1
    return result
