"""How much of the text a model does not see: tokens cut off, and tokens it does not know."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.batch import EXAMPLE
from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.pipeline.params.tokenize import Budget, Budgets
from bertspec.runtime.shards import read_index, read_split
from bertspec.runtime.tables import read_arrow
from bertspec.runtime.tokenized import first_sequences

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN = 10
"""Rows that a finding names."""


def over_budget(
    budgets: Mapping[str, Budgets], max_length: int, tokenized: Path, prepared: Path
) -> list[Diagnostic]:
    """A finding for each split, or slice of it, of which too many tokens are lost or unknown.

    `budgets` are those of each spec that has some.
    """
    found: list[Diagnostic] = []
    for split in SPLITS if budgets else ():
        counts, rows = _counts(tokenized, prepared, split)
        length, lost, unknown = (counts[c].to_numpy() for c in ("length", "lost", "unknown"))
        for spec, options in budgets.items():
            if options.truncation is not None:
                found += _exceeded(
                    "E326", spec, options.truncation, lost, length, rows, split,
                    f"of the tokens are cut off at `max_length: {max_length}`",
                    "raise `tokenization.max_length`, or the budget",
                )  # fmt: skip
            if options.unknown is not None:
                found += _exceeded(
                    "E327", spec, options.unknown, unknown, length, rows, split,
                    "of the tokens are unknown to the tokenizer",
                    "take a base whose tokenizer knows this language or these signs",
                )  # fmt: skip
    return found


def _counts(tokenized: Path, prepared: Path, split: SplitName) -> tuple["pa.Table", "pa.Table"]:
    """Counts of each row, and the rows."""
    import pyarrow as pa

    index, columns = read_index(tokenized), read_index(prepared).columns
    counts = [EXAMPLE, "length", "lost", "unknown"]
    tables = [
        first_sequences(read_arrow(tokenized / shard.path).select(counts))
        for shard in index.splits[split]
    ]
    slices = ["slice"] if "slice" in columns else []
    return pa.concat_tables(tables), read_split(prepared, split, slices)


def _exceeded(
    code: str,
    spec: str,
    budget: Budget,
    part: "np.ndarray",
    whole: "np.ndarray",
    rows: "pa.Table",
    split: SplitName,
    what: str,
    help: str,
) -> Iterator[Diagnostic]:
    import numpy as np

    for name, members in _slices(rows):
        total = int(whole[members].sum())
        share = int(part[members].sum()) / total if total else 0.0
        if share <= budget.budget:
            continue
        order = members[np.argsort(-part[members], kind="stable")][:SHOWN]
        worst = rows.take(order[part[order] > 0]).to_pylist()
        places = ", ".join(f"{row['file']} row {row['row']}" for row in worst)
        yield Diagnostic(
            code,
            f"{split}{name}: {share:.2%} {what}, and the budget of `{spec}` is "
            f"{budget.budget:.2%}; "
            f"most in {places}",
            help,
            severity=Severity.ERROR if budget.severity == "error" else Severity.WARNING,
        )


def _slices(rows: "pa.Table") -> "Iterator[tuple[str, np.ndarray]]":
    """All rows, and those of each slice where there are slices; by their numbers."""
    import numpy as np

    yield "", np.arange(len(rows))
    if "slice" in rows.column_names:
        encoded = rows["slice"].combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy()
        for code, name in enumerate(encoded.dictionary.to_pylist()):
            yield f", slice `{name}`", np.flatnonzero(codes == code)
