"""prepare: columns get their meaning, rows an id and a split."""

from collections import Counter
from typing import TYPE_CHECKING

from bertspec.catalog.source import FILE_COLUMN, ROW_COLUMN, SPLITS, SplitName
from bertspec.catalog.task import ID_COLUMN
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.pipeline.params.prepare import Columns, HashSplit, PrepareParams
from bertspec.runtime.context import Context
from bertspec.runtime.splitting import row_digest, split_of
from bertspec.runtime.tables import read_parquet, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 10
"""Rows that an error names before it only counts."""


def run(context: Context[PrepareParams]) -> None:
    """Write train, validation and test as Parquet; a split without rows is an empty table.

    Columns: id (text), those of `columns` (text), file and row (provenance).
    Raises InputError naming file and row: E309 for a missing column, E310 for an empty value,
    E311 for a train or test split without rows.
    """
    params, raw = context.params, context.inputs["raw"]
    split = params.split
    group = split.group if isinstance(split, HashSplit) else None
    given: dict[SplitName, pa.Table] = {}
    for name in SPLITS:
        if (raw / f"{name}.parquet").is_file():
            table = read_parquet(raw / f"{name}.parquet")
            given[name] = _mapped(table, params.columns, group)
    divided = _divide(_with_ids(given), params)
    sizes = ", ".join(f"{name} {len(table)}" for name, table in divided.items())
    for name in ("train", "test"):
        if not len(divided[name]):
            raise InputError.of(
                "E311", f"no row falls into `{name}` ({sizes})", "change the shares or the salt"
            )
    for name, table in divided.items():
        write_parquet(table, context.outputs["prepared"] / f"{name}.parquet")


def _mapped(table: "pa.Table", columns: Columns, group: str | None) -> "pa.Table":
    """The mapped columns as text, `_group` when rows are grouped, and provenance."""
    import pyarrow as pa

    wanted = {name: column for name, column in columns if column is not None}
    if group is not None:
        wanted["_group"] = group
    known = [c for c in table.column_names if c not in (FILE_COLUMN, ROW_COLUMN)]
    for name, column in wanted.items():
        if column not in known:
            field = "data.split.group" if name == "_group" else f"data.columns.{name}"
            raise InputError.of(
                "E309",
                f"{table[FILE_COLUMN][0]} has no column `{column}`, which `{field}` names",
                f"{did_you_mean(column, known)} (columns: {', '.join(known)})",
            )
    mapped = {name: _as_text(table, column) for name, column in wanted.items()}
    result = pa.table(
        mapped | {"file": table[FILE_COLUMN].cast(pa.string()), "row": table[ROW_COLUMN]}
    )
    for name in mapped:
        _refuse_empty(result, name, wanted[name])
    return result


def _as_text(table: "pa.Table", column: str) -> "pa.ChunkedArray":
    """Raises InputError (E314) for a list, a struct, or bytes that are not UTF-8."""
    import pyarrow as pa

    try:
        return table[column].cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        kind = table.schema.field(column).type
        raise InputError.of(
            "E314",
            f"{table[FILE_COLUMN][0]}: column `{column}` holds {kind}, which is not text",
            "name a column of text, numbers or booleans",
        ) from None


def _refuse_empty(table: "pa.Table", name: str, column: str) -> None:
    from pyarrow import compute as pc

    blank = pc.equal(pc.utf8_trim_whitespace(table[name]), "")
    empty = table.filter(pc.fill_null(blank, fill_value=True))
    if len(empty):
        rows = empty.slice(0, SHOWN)
        places = ", ".join(
            f"{file} row {row}"
            for file, row in zip(rows["file"].to_pylist(), rows["row"].to_pylist(), strict=True)
        )
        count = f"{len(empty)} rows" if len(empty) > 1 else "1 row"
        more = f" and {len(empty) - SHOWN} more" if len(empty) > SHOWN else ""
        raise InputError.of(
            "E310",
            f"column `{column}` is empty in {count}: {places}{more}",
            "fill them in or remove the rows",
        )


def _with_ids(given: "dict[SplitName, pa.Table]") -> "dict[SplitName, pa.Table]":
    """Each table with an id that is a digest of the row, numbered where equal rows repeat."""
    import pyarrow as pa

    seen: Counter[str] = Counter()
    result: dict[SplitName, pa.Table] = {}
    for name, table in given.items():
        content = table.drop_columns(["file", "row"])
        ids = []
        for row in content.to_pylist():
            row.pop("_group", None)
            key = row_digest(row)
            seen[key] += 1
            ids.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
        result[name] = table.add_column(0, ID_COLUMN, pa.array(ids, pa.string()))
    return result


def _divide(
    given: "dict[SplitName, pa.Table]", params: PrepareParams
) -> "dict[SplitName, pa.Table]":
    import pyarrow as pa

    split = params.split
    validation = split.validation if "validation" not in given else 0.0
    test = split.test if isinstance(split, HashSplit) else 0.0
    salt = split.salt if isinstance(split, HashSplit) else ""
    if isinstance(split, HashSplit) and set(given) != {"train"}:
        raise InputError.of(
            "E311",
            f"`type: hash` divides `train`, and the source has {', '.join(given)}",
            "give only `train`, or write `split: {type: given}`",
        )
    if "train" not in given:
        raise InputError.of(
            "E311", f"the source names no `train`, only {', '.join(given)}", "name its file"
        )
    train = given["train"]
    by = ["_group"] if "_group" in train.column_names else [
        c for c in ("text", "text_pair") if c in train.column_names
    ]  # fmt: skip
    keys = train.select(by).to_pylist()
    chosen = [split_of(tuple(key.values()), validation, test, salt) for key in keys]
    result: dict[SplitName, pa.Table] = {}
    for name in SPLITS:
        if name in given and name != "train":
            table = given[name]
        else:
            table = train.filter(pa.array([c == name for c in chosen], pa.bool_()))
        result[name] = table.drop_columns([c for c in table.column_names if c == "_group"])
    return result
