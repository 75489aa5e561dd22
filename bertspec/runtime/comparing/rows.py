"""Two prepared data sets: rows that only one has, and rows that changed, joined by digests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.catalog.task import ID_COLUMN, TEXT_FIELDS
from bertspec.pipeline.params.columns import TARGETS
from bertspec.runtime.row_keys import row_digests
from bertspec.runtime.shards import ROW, Index, ShardFile, numbered, read_index
from bertspec.runtime.tables import read_parquet

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

KINDS: Mapping[str, str] = {
    "added": "only the second has them",
    "removed": "only the first has them",
    "relabelled": "the same text with another target",
    "edited": "another text with the same target, in the same row of the same file",
    "changed": "the same text and target with another value in another column",
    "moved": "the same row in another split",
}
"""What becomes of a row. Each row counts once: what was relabelled may be in another split, too."""


@dataclass(frozen=True)
class Row:
    """A row as an example."""

    split: SplitName
    file: str
    row: int
    """Its number in the file, from 1."""
    text: str
    target: Any
    """What a model learns to say of it; None for a task without."""


@dataclass(frozen=True)
class Found:
    """The rows of one of KINDS."""

    count: int
    examples: Sequence[tuple[Row | None, Row | None]]
    """The first of them, before and after."""


@dataclass(frozen=True)
class Rows:
    """What differs between two data sets."""

    before: Mapping[SplitName, int]
    after: Mapping[SplitName, int]
    changes: Mapping[str, Found]
    """By KINDS, those that there are."""


def compare_rows(first: Path, second: Path, examples: int = 3) -> Rows:
    """Compare two prepared folders.

    The id of a row is a digest of all that it holds, so equal ids are equal rows. What is left of
    both is joined by a digest of its texts, and then by its place in the raw files. Ids are in
    memory at once; of the rest only rows that differ are read, a shard at a time. Equal rows count
    as often as they stand there.

    Raises InputError (E206) for a folder without index, and what pyarrow does for broken files.
    """
    import numpy as np

    old, new = _Rows.read(first), _Rows.read(second)
    one, other = _pairs(old.ids, new.ids)
    gone = np.setdiff1d(np.arange(len(old.ids)), one, assume_unique=True)
    came = np.setdiff1d(np.arange(len(new.ids)), other, assume_unique=True)
    moved = old.splits[one] != new.splits[other]
    found = {"moved": (one[moved], other[moved])}

    texts = [name for name in TEXT_FIELDS if name in old.columns or name in new.columns]
    (one, other), (gone, came) = _joined(
        (gone, came), old.digests(gone, texts), new.digests(came, texts)
    )
    same = _equal(old.targets(one), new.targets(other))
    found["relabelled"] = (one[~same], other[~same])
    found["changed"] = (one[same], other[same])

    (one, other), _ = _joined((gone, came), old.places(gone), new.places(came))
    same = _equal(old.targets(one), new.targets(other))
    found["edited"] = (one[same], other[same])
    found["removed"] = (np.setdiff1d(gone, one[same], assume_unique=True), came[:0])
    found["added"] = (gone[:0], np.setdiff1d(came, other[same], assume_unique=True))

    changes = {}
    for kind in KINDS:
        before, after = found[kind]
        if count := max(len(before), len(after)):
            told = (old.examples(before[:examples]), new.examples(after[:examples]))
            changes[kind] = Found(count, list(zip_longest(*told)))
    return Rows(old.sizes(), new.sizes(), changes)


@dataclass(frozen=True)
class _Rows:
    """All rows of a prepared folder by number: split by split, shard by shard."""

    folder: Path
    columns: Sequence[str]
    shards: Sequence[tuple[SplitName, ShardFile]]
    starts: "np.ndarray"
    """(shards + 1,): number of the first row of each shard, and of all rows."""
    ids: "pa.ChunkedArray"
    splits: "np.ndarray"
    """(rows,): for each its place in SPLITS."""
    index: Index

    @classmethod
    def read(cls, folder: Path) -> "_Rows":
        import numpy as np
        import pyarrow as pa

        index = read_index(folder)
        shards = [(split, shard) for split in SPLITS for shard in index.splits.get(split, ())]
        tables = [read_parquet(folder / shard.path, [ID_COLUMN]) for _, shard in shards]
        rows = [len(table) for table in tables]
        return cls(
            folder=folder,
            columns=index.columns,
            shards=shards,
            starts=np.cumsum([0, *rows]),
            ids=pa.concat_tables(tables)[ID_COLUMN],
            splits=np.repeat([SPLITS.index(split) for split, _ in shards], rows),
            index=index,
        )

    def sizes(self) -> dict[SplitName, int]:
        return {split: self.index.rows(split) for split in SPLITS}

    def digests(self, rows: "np.ndarray", columns: Sequence[str]) -> "pa.Array":
        """A digest of these columns of each row, as far as the folder has them."""
        import pyarrow as pa

        wanted = [name for name in columns if name in self.columns]
        if not wanted:
            return pa.repeat(pa.scalar("", pa.string()), len(rows))
        parts = [row_digests(table) for _, _, table in self._read(rows, wanted)]
        return pa.chunked_array(parts, pa.string()).combine_chunks()

    def targets(self, rows: "np.ndarray") -> "pa.Array":
        """A digest of what a model learns to say of each row."""
        import numpy as np
        import pyarrow as pa

        order = np.argsort(rows)
        return self.digests(rows[order], TARGETS).take(pa.array(np.argsort(order)))

    def places(self, rows: "np.ndarray") -> "pa.Array":
        """File and row that each is from."""
        import pyarrow as pa
        from pyarrow import compute as pc

        parts = []
        for _, shard, table in self._read(rows, [ROW]):
            number = pc.add(table[ROW].combine_chunks().cast(pa.int64()), shard.first)
            parts.append(pc.binary_join_element_wise(shard.file, number.cast(pa.string()), " "))
        return pa.chunked_array(parts, pa.string()).combine_chunks()

    def examples(self, rows: "np.ndarray") -> list[Row]:
        """Some rows, in any order."""
        import numpy as np

        texts = [name for name in TEXT_FIELDS if name in self.columns]
        target = next((name for name in TARGETS if name in self.columns), None)
        columns = [ROW, *texts, *([target] if target else [])]
        found = []
        for number in rows.tolist():
            ((split, shard, table),) = self._read(np.array([number]), columns)
            (values,) = table.to_pylist()
            text = " | ".join(
                " ".join(map(str, v)) if isinstance(v, list) else str(v)
                for v in (values[name] for name in texts)
            )
            place = values[ROW] + shard.first
            found.append(Row(split, shard.file, place, text, target and values[target]))
        return found

    def _read(
        self, rows: "np.ndarray", columns: Sequence[str]
    ) -> "Iterator[tuple[SplitName, ShardFile, pa.Table]]":
        """These rows, ascending, a shard at a time."""
        import numpy as np
        import pyarrow as pa

        bounds = np.searchsorted(rows, self.starts)
        for i, (split, shard) in enumerate(self.shards):
            mine = rows[bounds[i] : bounds[i + 1]] - self.starts[i]
            if len(mine):
                table = read_parquet(self.folder / shard.path, columns)
                yield split, shard, table.take(pa.array(mine))


def _joined(
    rows: "tuple[np.ndarray, np.ndarray]", first: "pa.Array", second: "pa.Array"
) -> "tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]":
    """Rows of both sides with the same key, side by side; and what is left of each."""
    import numpy as np

    gone, came = rows
    one, other = _pairs(first, second)
    return (gone[one], came[other]), (np.delete(gone, one), np.delete(came, other))


def _pairs(
    first: "pa.Array | pa.ChunkedArray", second: "pa.Array | pa.ChunkedArray"
) -> "tuple[np.ndarray, np.ndarray]":
    """Where both have the same key: the first of equal ones with the first, and so on."""
    import numpy as np
    from pyarrow import compute as pc

    at = pc.index_in(_numbered(first), value_set=_numbered(second))
    return np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False)), at.drop_null().to_numpy()


def _numbered(keys: "pa.Array | pa.ChunkedArray") -> "pa.Array":
    import pyarrow as pa

    return numbered(keys if isinstance(keys, pa.ChunkedArray) else pa.chunked_array([keys]))


def _equal(first: "pa.Array", second: "pa.Array") -> "np.ndarray":
    from pyarrow import compute as pc

    return pc.equal(first, second).to_numpy(zero_copy_only=False)
