"""E603: one text has different labels, of which at most one is right."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import SHOWN, PreparedData, groups
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule


class ContradictingLabels(Rule):
    """The same text, but for case, punctuation and spacing, has different labels."""

    code: ClassVar[str] = "E603"

    severity: Level = Field(default="error", description=SEVERITY)

    def applies(self, data: PreparedData) -> bool:
        return bool(data.content) and data.row_labels is not None

    def field(self, data: PreparedData) -> tuple[str, ...]:
        return ("columns", "label")

    def check(self, data: PreparedData) -> Iterator[Finding]:
        import numpy as np

        labels = data.row_labels
        assert labels is not None  # noqa: S101 - `applies` has seen to it
        encoded = labels.combine_chunks().dictionary_encode()
        names = encoded.dictionary.to_pylist()
        codes = np.asarray(encoded.indices.fill_null(-1)).astype(np.int64)
        known = np.flatnonzero((data.keys >= 0) & (codes >= 0))
        pairs = np.unique(np.stack([data.keys[known], codes[known]], axis=1), axis=0)
        keys, counts = np.unique(pairs[:, 0], return_counts=True)
        wrong = known[np.isin(data.keys[known], keys[counts > 1])]
        found = groups(data.keys, wrong)
        if not found:
            return
        rows: list[int] = []
        notes: list[str] = []
        examples: list[str] = []
        for group in found:
            first, other = group[0], group[codes[group] != codes[group[0]]][0]
            told = {int(r): f"{data.place(int(r))} `{names[codes[r]]}`" for r in (first, other)}
            partners = np.where(codes[group] == codes[first], other, first)
            rows.extend(group)
            notes.extend(
                f"`{names[codes[row]]}`, but {told[int(partner)]}"
                for row, partner in zip(group, partners, strict=True)
            )
            if len(examples) < SHOWN:
                examples.append(f"{data.excerpt(int(first))}: {' and '.join(told.values())}")
        count = "1 text has" if len(found) == 1 else f"{len(found):,} texts have"
        yield Finding(
            f"{count} different labels, in {len(rows):,} rows: {'; '.join(examples)}",
            "read them and keep one label for each text, or remove those that cannot be decided",
            data.broken(rows, notes),
        )
