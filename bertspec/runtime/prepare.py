"""prepare: columns get their meaning, rows an id and a split, shard by shard."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.catalog.task import ID_COLUMN, TEXT_FIELDS
from bertspec.core.digest import digest, file_digest
from bertspec.core.errors import InputError, at_field
from bertspec.core.progress import progress
from bertspec.pipeline.params.columns import kind_of
from bertspec.pipeline.params.prepare import PrepareParams
from bertspec.pipeline.params.split import GivenSplit, HashSplit, KFoldSplit, TimeSplit
from bertspec.runtime.context import Context
from bertspec.runtime.mapping import key_column, map_columns
from bertspec.runtime.raw_shard import Shard, as_array, is_list
from bertspec.runtime.row_keys import key_json, row_digests
from bertspec.runtime.salts import advice_for_no_rows
from bertspec.runtime.shards import ROW, Index, ShardFile, file_name, read_index, read_split
from bertspec.runtime.splitting import assign
from bertspec.runtime.stratify import count_strata, require_strata
from bertspec.runtime.tables import read_parquet, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa


def run(context: Context[PrepareParams]) -> None:
    """Write the rows of each split as Parquet shards; a split without rows has an empty one.

    Columns: id (text), those of `columns`, row (place in the raw shard).
    Raises InputError naming file and row, as `map_columns` and `assign` do; E311 for a train or
    test split without rows, with a salt that gives it some, and E324 for a stratum whose shares
    do not hold.
    """
    raw, prepared = context.inputs["raw"], context.outputs["prepared"]
    index = read_index(raw)
    _require_splittable(context.params, tuple(index.splits))
    splits: dict[SplitName, list[ShardFile]] = {split: [] for split in SPLITS}
    with progress("prepare", sum(index.rows(split) for split in SPLITS)) as bar:
        for given, shards in index.splits.items():
            for shard in shards:
                _prepare(context, index, given, shard, splits)
                bar(shard.rows)
    _require_rows(splits, context.params, raw)
    columns = [ID_COLUMN, *context.params.columns.mapped()]
    _write_empty(splits, prepared)
    Index(columns, splits).write(prepared)
    _require_strata(context)


def _require_splittable(params: PrepareParams, given: Sequence[SplitName]) -> None:
    if "train" not in given:
        with at_field("source", "files"):
            raise InputError.of(
                "E311", f"the source names no `train`, only {', '.join(given)}", "name its file"
            )
    if not isinstance(params.split, GivenSplit) and given != ("train",):
        with at_field("split", "type"):
            raise InputError.of(
                "E311",
                f"`type: {params.split.type}` divides `train`, and the source has "
                f"{', '.join(given)}",
                "give only `train`, or write `split: {type: given}`",
            )


def _prepare(
    context: Context[PrepareParams],
    index: Index,
    given: SplitName,
    shard: ShardFile,
    splits: dict[SplitName, list[ShardFile]],
) -> None:
    """Prepare one raw shard: its rows go to the next shard of each split that they are in."""
    folder = context.outputs["prepared"]
    raw = context.inputs["raw"]

    def make(work: Path) -> dict[str, int]:
        rows: dict[str, int] = {}
        for split, table in _divided(raw, shard, index, given, context.params).items():
            if len(table):
                write_parquet(table, work / f"{split}.parquet")
                rows[split] = len(table)
        return rows

    def place(name: str) -> Path:
        split = _split_of_file(name)
        return folder / file_name(split, len(splits[split]), ".parquet")

    # Whether rows of train become validation depends on what else the source names.
    key = digest([context.identity, shard.sha256, index.columns, list(index.splits), given])
    made = context.reuse.place(key, make, place)
    for name, sha256 in made.digests.items():
        path, split = place(name), _split_of_file(name)
        splits[split].append(
            ShardFile(path.name, made.note[split], sha256, shard.file, shard.first)
        )


def _split_of_file(name: str) -> SplitName:
    return next(split for split in SPLITS if name == f"{split}.parquet")


def _mapped(
    raw: Path, shard: ShardFile, index: Index, params: PrepareParams
) -> tuple["pa.Table", Shard]:
    """The mapped rows of a raw shard, and the shard with those rows taken."""
    whole = Shard.whole(
        read_parquet(raw / shard.path),
        index.columns,
        lambda i: f"{shard.file} row {shard.first + i}",
    )
    mapped = map_columns(whole.table, params.columns, params.where, whole.known, whole.place)
    return mapped, whole.taken(mapped[ROW].to_numpy())


def _keys(params: PrepareParams, mapped: "pa.Table", shard: Shard) -> "list[pa.Array]":
    """What a row's split depends on, see `assign`."""
    split = params.split
    if isinstance(split, TimeSplit):
        with at_field("split", "column"):
            return [shard.raw(split.column, "data.split.column")]
    if isinstance(split, HashSplit | KFoldSplit) and split.group is not None:
        with at_field("split", "group"):
            return [key_column(shard, split.group, "data.split.group")]
    return [mapped[name] for name in TEXT_FIELDS if name in mapped.column_names]


def _divided(
    raw: Path, shard: ShardFile, index: Index, given: SplitName, params: PrepareParams
) -> "dict[SplitName, pa.Table]":
    """The rows of a raw shard by their split."""
    from pyarrow import compute as pc

    mapped, taken = _mapped(raw, shard, index, params)
    table = mapped.add_column(0, ID_COLUMN, row_digests(mapped))
    takes_validation = "validation" not in index.splits
    if given != "train" or (isinstance(params.split, GivenSplit) and not takes_validation):
        return {given: table}
    splits = assign(params.split, _keys(params, mapped, taken), taken)
    return {name: table.filter(pc.equal(splits, name)) for name in SPLITS}


def split_keys(raw: Path, params: PrepareParams, field: str | None) -> "pa.Table":
    """What the split of each row depends on, `key` (as `key_json`), and `stratum`, its value of a
    text field: that of each item of a list, and the same for all without a field.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    index, tables = read_index(raw), []
    for shard in index.splits["train"]:
        mapped, taken = _mapped(raw, shard, index, params)
        key = key_json(_keys(params, mapped, taken))
        strata = pa.repeat("", len(mapped)) if field is None else as_array(mapped[field])
        if is_list(strata.type):
            key, strata = key.take(pc.list_parent_indices(strata)), strata.flatten()
        tables.append(pa.table({"key": key, "stratum": strata}))
    return pa.concat_tables(tables)


def labels_of(params: PrepareParams) -> str | None:
    """The field of the labels; None where rows have none, or a number to be predicted."""
    label = params.columns.label
    return "label" if label is not None and kind_of(label) != "number" else None


def _require_rows(
    splits: dict[SplitName, list[ShardFile]], params: PrepareParams, raw: Path
) -> None:
    rows = {name: sum(shard.rows for shard in shards) for name, shards in splits.items()}
    sizes = ", ".join(f"{name} {count}" for name, count in rows.items())
    for name in ("train", "test"):
        if not rows[name]:
            advice = advice_for_no_rows(
                params.split, lambda: split_keys(raw, params, labels_of(params))
            )
            with at_field("split"):
                raise InputError.of("E311", f"no row falls into `{name}` ({sizes})", advice)


def _write_empty(splits: dict[SplitName, list[ShardFile]], folder: Path) -> None:
    """An empty shard for a split without rows, so that its columns are known."""
    for name, shards in splits.items():
        if not shards:
            like = splits["train"][0]
            path = folder / file_name(name, 0, ".parquet")
            write_parquet(read_parquet(folder / like.path).slice(0, 0), path)
            shards.append(ShardFile(path.name, 0, file_digest(path), like.file, like.first))


def _require_strata(context: Context[PrepareParams]) -> None:
    """Raise InputError (E324) when the shares do not hold for each value of `stratify`."""
    import pyarrow as pa

    params, split = context.params, context.params.split
    if not isinstance(split, HashSplit) or split.stratify is None:
        return
    field = split.stratify
    counts = count_strata(pa.array([], pa.string()), pa.array([], pa.string()))
    for name in SPLITS:
        strata = read_split(context.outputs["prepared"], name, [field])[field]
        counts += count_strata(strata, pa.repeat(pa.scalar(name), len(strata)))

    with at_field("split", "stratify"):
        require_strata(split, counts, lambda: split_keys(context.inputs["raw"], params, field))
