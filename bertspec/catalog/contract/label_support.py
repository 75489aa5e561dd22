"""E605: a label has too few rows to be learned or measured."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule
from bertspec.catalog.source import SPLITS

if TYPE_CHECKING:
    import numpy as np

SHOWN = 10
"""Labels that a message names."""


class LabelSupport(Rule):
    """A label has fewer than `minimum` rows in a split, or is in a test but not in train."""

    code: ClassVar[str] = "E605"

    severity: Level = Field(default="error", description=SEVERITY)
    minimum: int = Field(
        default=1, ge=1, description="Rows of each label that each split with rows must have."
    )

    def applies(self, data: PreparedData) -> bool:
        return data.labels is not None and "train" in data.splits

    def field(self, data: PreparedData) -> tuple[str, ...]:
        return ("columns", "label")

    def check(self, data: PreparedData) -> Iterator[Finding]:
        import numpy as np

        labels, counts = data.labels, data.label_counts()
        assert labels is not None  # noqa: S101 - `applies` has seen to it
        unseen = counts[0] == 0
        if unseen.any():
            rows = np.unique(labels.rows[unseen[labels.codes]])
            names = [name for name, new in zip(labels.names, unseen, strict=True) if new]
            yield Finding(
                f"{_listed([f'`{n}`' for n in names])} in no row of train but in "
                f"{data.places(rows)}",
                "correct the label, or give train rows of it: the model cannot learn it otherwise",
                data.broken(rows, _notes(data, rows)),
            )
        few, chosen = [], np.zeros(len(labels.rows), dtype=bool)
        for split in data.splits:
            place = SPLITS.index(split)
            short = (counts[place] < self.minimum) & ~unseen
            few += [
                f"`{labels.names[int(code)]}` has {counts[place][code]:,} in {split}"
                for code in np.flatnonzero(short)
            ]
            chosen |= short[labels.codes] & (data.split_codes[labels.rows] == place)
        if few:
            rows = np.unique(labels.rows[chosen])
            asked = "1 row" if self.minimum == 1 else f"{self.minimum:,} rows"
            more = f" and {len(few) - SHOWN:,} more" if len(few) > SHOWN else ""
            yield Finding(
                f"labels with fewer than {asked} in a split: {', '.join(few[:SHOWN])}{more}",
                "collect more rows, change the split's shares or salt, merge rare labels, or lower "
                "`minimum`",
                data.broken(rows, _notes(data, rows)),
            )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    verb = "label {} is" if len(names) == 1 else "labels {} are"
    return verb.format(", ".join(names[:SHOWN]) + more)


def _notes(data: PreparedData, rows: "np.ndarray") -> list[str]:
    import pyarrow as pa

    labels = data.row_labels
    assert labels is not None  # noqa: S101 - `applies` has seen to it
    return [f"`{name}`" for name in labels.take(pa.array(rows)).to_pylist()]
