"""Tables in shards: a folder of numbered files, and an index of the rows in them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.catalog.task import ID_COLUMN
from bertspec.core.errors import InputError
from bertspec.runtime.tables import read_parquet

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

INDEX = "index.json"
ROW = "row"
"""Column of a prepared shard: the number of the row in its raw shard, from 0."""


@dataclass(frozen=True)
class ShardFile:
    """One file of a split."""

    path: str
    """Relative to the folder."""
    rows: int
    sha256: str
    file: str
    """What the rows are from."""
    first: int
    """Number in `file`, from 1, of the row that is 0 in this shard's raw shard."""


@dataclass(frozen=True)
class Index:
    """What is in a folder of shards. Numbers of rows are here, so that no shard has to change
    when rows come before it.
    """

    columns: Sequence[str]
    splits: Mapping[SplitName, Sequence[ShardFile]]

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / INDEX).write_text(text + "\n", encoding="utf-8")

    def rows(self, split: SplitName) -> int:
        return sum(shard.rows for shard in self.splits.get(split, ()))


def read_index(folder: Path) -> Index:
    """Raises InputError (E206) when the folder has no index that can be read."""
    try:
        values = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        splits = {s: [ShardFile(**v) for v in shards] for s, shards in values["splits"].items()}
        return Index(values["columns"], {s: splits[s] for s in SPLITS if s in splits})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError.of(
            "E206", f"{folder / INDEX} cannot be read: {error}", "`dvc repro` builds it again"
        ) from None


def read_split(folder: Path, split: SplitName, columns: Sequence[str] | None = None) -> "pa.Table":
    """A prepared split: its `columns` (by default all), and for each row `file` and `row`.

    Equal rows get ids of their own here, see `numbered`.
    """
    table = read_shards(folder, read_index(folder).splits[split], columns)
    if ID_COLUMN in table.column_names:
        place = table.schema.get_field_index(ID_COLUMN)
        table = table.set_column(place, ID_COLUMN, numbered(table[ID_COLUMN]))
    return table


def read_shards(
    folder: Path, shards: Sequence[ShardFile], columns: Sequence[str] | None = None
) -> "pa.Table":
    """Some prepared shards, one or more, with `file` and `row`. Ids are those of contents."""
    import pyarrow as pa

    wanted = None if columns is None else [*columns, ROW]
    return pa.concat_tables([_with_place(read_parquet(folder / s.path, wanted), s) for s in shards])


def _with_place(table: "pa.Table", shard: ShardFile) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import compute as pc

    rows = pc.add(table[ROW].cast(pa.int64()), pa.scalar(shard.first, pa.int64()))
    place = table.schema.get_field_index(ROW)
    files = pa.repeat(pa.scalar(shard.file, pa.string()), len(table))
    return table.set_column(place, ROW, rows).add_column(place, "file", files)


def numbered(ids: "pa.ChunkedArray") -> "pa.Array":
    """Ids of rows in their order, the second of equal ones with `-2` behind it, and so on."""
    import numpy as np
    import pyarrow as pa

    encoded = ids.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    counts = np.diff(np.append(starts, len(codes)))
    number = np.empty(len(codes), np.int64)
    number[order] = np.arange(len(codes)) - np.repeat(starts, counts) + 1
    result = encoded.cast(pa.string())
    again = np.flatnonzero(number > 1)
    if not len(again):
        return result
    values = result.take(pa.array(again)).to_pylist()
    renamed = [f"{value}-{number[i]}" for i, value in zip(again.tolist(), values, strict=True)]
    return _replaced(result, again, renamed)


def _replaced(values: "pa.Array", places: "np.ndarray", new: Sequence[str]) -> "pa.Array":
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute as pc

    mask = np.zeros(len(values), bool)
    mask[places] = True
    return pc.replace_with_mask(values, pa.array(mask), pa.array(new, pa.string()))


def file_name(split: SplitName, number: int, suffix: str) -> str:
    """Name of a shard; in the order of names, shards are in the order of rows."""
    return f"{split}-{number:06}{suffix}"
