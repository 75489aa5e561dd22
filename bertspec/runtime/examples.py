"""A split as models see it: its rows, and the sequences of token ids that they became."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Tokens
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.source import SplitName
from bertspec.core.errors import InputError
from bertspec.runtime.shards import read_index, read_split
from bertspec.runtime.training.batches import read_tokens

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Examples:
    """One split."""

    rows: "pa.Table"
    """Prepared rows."""
    tokens: Tokens

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)


def read_examples(
    prepared: Path,
    tokenized: Path,
    split: SplitName,
    aggregate: Aggregate | None,
) -> Examples:
    """A split: its rows, and how the scores of their sequences become one.

    Raises InputError (E206) when the sequences are not of these rows.
    """
    rows = read_split(prepared, split)
    if read_index(tokenized).rows(split) != len(rows):
        raise InputError.of(
            "E206",
            f"{tokenized.as_posix()} is not of the rows in {prepared.as_posix()}",
            "`dvc repro` builds it again",
        )
    return Examples(rows, read_tokens(tokenized, split, aggregate))
