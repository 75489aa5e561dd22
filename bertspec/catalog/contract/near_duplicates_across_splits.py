"""E602: a text is in another split with few changes, so that the test is easier than it looks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import SHOWN, PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule

if TYPE_CHECKING:
    import numpy as np


class NearDuplicatesAcrossSplits(Rule):
    """Texts in two splits share most of their character 5-grams, but are not the same."""

    code: ClassVar[str] = "E602"
    cheap: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("rensa",)

    severity: Level = Field(default="warn", description=SEVERITY)
    threshold: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="Least share of their different character 5-grams that two texts have in "
        "common (Jaccard), after case, punctuation and spacing are made equal. Lower ones take "
        "longer.",
    )

    def applies(self, data: PreparedData) -> bool:
        return bool(data.content) and len(data.splits) > 1

    def check(self, data: PreparedData) -> Iterator[Finding]:
        import numpy as np

        from bertspec.catalog.contract.similarity import Items, near_pairs

        firsts, item_of_row = _distinct(data)
        if not len(firsts):
            return
        items = Items(
            data.texts,
            [texts.codes[firsts] for texts in data.texts],
            data.keys[firsts],
            data.split_codes[firsts],
        )
        found = near_pairs(items, self.threshold)
        part = "" if found.complete else (
            f"; there were too many similar texts to compare: {found.compared:,} pairs were, and "
            "others may be as near"
        )  # fmt: skip
        rows = np.flatnonzero((item_of_row >= 0) & (found.partners[item_of_row] >= 0))
        if not len(rows):
            if part:
                yield Finding(f"no near-duplicates were found{part}", _HELP, data.broken([], []))
            return
        partners = firsts[found.partners[item_of_row[rows]]]
        similar = found.similarities[item_of_row[rows]]
        notes = [
            f"{_percent(share)} like {data.place(int(partner))}"
            for share, partner in zip(similar, partners, strict=True)
        ]
        # The most similar ones are shown first; each pair once.
        best = sorted(range(len(rows)), key=lambda at: (-similar[at], at))
        pairs: dict[tuple[int, int], int] = {}
        for at in best:
            pair = sorted((int(rows[at]), int(partners[at])))
            pairs.setdefault((pair[0], pair[1]), at)
            if len(pairs) == SHOWN:
                break
        examples = "; ".join(
            f"{data.excerpt(first)} in {data.place(first)} and {data.place(second)} "
            f"({_percent(similar[at])})"
            for (first, second), at in pairs.items()
        )
        has = "1 row is" if len(rows) == 1 else f"{len(rows):,} rows are"
        yield Finding(
            f"{has} nearly the same as a row of another split (at least "
            f"{self.threshold:.0%} of their 5-grams in common){part}: {examples}",
            _HELP,
            data.broken(rows, notes),
        )


_HELP = (
    "remove them from one of the splits, or keep what belongs together in one split with "
    "`data.split.group`"
)


def _percent(share: float) -> str:
    """Rounded down: 100 % is for equal sets."""
    return f"{int(share * 100)}%"


def _distinct(data: PreparedData) -> "tuple[np.ndarray, np.ndarray]":
    """The first row of each text in each split, by split; and for each row which of them it is.

    Rows without content are none of them: -1.
    """
    import numpy as np

    known = np.flatnonzero(data.keys >= 0)
    size = int(data.keys.max(initial=0)) + 1
    combined = data.split_codes[known].astype(np.int64) * size + data.keys[known]
    _, firsts, inverse = np.unique(combined, return_index=True, return_inverse=True)
    item_of_row = np.full(len(data.keys), -1, dtype=np.int64)
    item_of_row[known] = inverse
    return known[firsts], item_of_row
