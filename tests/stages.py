"""Run stages and sources as the runtime does, without the commands around them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bertspec.catalog import file_source
from bertspec.catalog.files import opening
from bertspec.catalog.files.cutting import Sizes, cut
from bertspec.catalog.source import SPLITS, Source, SplitName
from bertspec.catalog.sources import SOURCES
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.digest import file_digest
from bertspec.core.manifest import Manifest, digest_files
from bertspec.core.model import Model
from bertspec.pipeline.kinds import params_model
from bertspec.runtime.context import Context
from bertspec.runtime.examples import Examples, read_examples
from bertspec.runtime.reuse import Reuse
from bertspec.runtime.shards import Index, ShardFile, file_name, read_index, read_split
from bertspec.runtime.stage import run_stage
from bertspec.runtime.tables import read_arrow, write_arrow, write_parquet
from tests.projects import Project

TABLE = "table"
"""The file that rows of hand-written shards are said to be from."""


def run_kinds(project: Project, *kinds: str) -> None:
    """Run the stages of these kinds, in this order."""
    for kind in kinds:
        for name in project.stages():
            if name.endswith(f"-{kind}"):
                run_stage(name, project.root)


def run_runner(
    kind: str,
    params: Model | Mapping[str, Any],
    root: Path,
    inputs: Mapping[str, Path],
    outputs: Mapping[str, Path],
    kept: Path | None = None,
) -> Sequence[Diagnostic]:
    """Run the runner of a kind of stage; its folders are made. `kept` is where shards are kept."""
    for path in outputs.values():
        (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
    model = params if isinstance(params, Model) else params_model(kind).model_validate(params)
    reuse = Reuse(root / ".kept" if kept is None else kept)
    context = Context("by-hand", model, root, inputs, outputs, None, kind, reuse)
    found = import_module(f"bertspec.runtime.{kind}").run(context)
    reuse.keep_used()
    return found or ()


def source_of(kind: str, **options: Any) -> Source:
    return SOURCES[kind].model_validate({"type": kind, **options})


@contextmanager
def small_pieces(sizes: Sizes, block: int = 64) -> Iterator[None]:
    """Cut text files into pieces of these sizes, and read them in blocks of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_source, "cut", partial(cut, sizes=sizes))
        patch.setattr(opening, "BLOCK", block)
        yield


def read_whole(source: Source, root: Path) -> dict[SplitName, pa.Table]:
    """Each split of a source as one table; a column that a piece lacks is null there."""
    found: dict[SplitName, list[pa.Table]] = {}
    for split, piece in source.read(root):
        tables = found.setdefault(split, [])
        tables.append(piece.read(1 + sum(map(len, tables))))
    return {s: pa.concat_tables(tables, promote_options="default") for s, tables in found.items()}


def prepared_rows(project: Project, split: SplitName, dataset: str = "reviews") -> pa.Table:
    return read_split(project.root / "data" / dataset / "prepared", split)


def raw_rows(project: Project, split: SplitName, dataset: str = "reviews") -> list[dict[str, Any]]:
    """The rows as fetch wrote them, each with `file` and `row`."""
    from pyarrow import parquet

    folder = project.root / "data" / dataset / "raw"
    return [
        row | {"file": shard.file, "row": shard.first + i}
        for shard in read_index(folder).splits[split]
        for i, row in enumerate(parquet.read_table(folder / shard.path).to_pylist())
    ]


def tokenized_folder(project: Project) -> Path:
    (folder,) = [p for p in (project.root / "data/reviews/tokenized").iterdir() if p.is_dir()]
    return folder


def tokens_of(folder: Path, split: SplitName) -> pa.Table:
    """A tokenized split as one table."""
    return pa.concat_tables([read_arrow(folder / s.path) for s in read_index(folder).splits[split]])


def examples_of(project: Project, split: SplitName) -> Examples:
    """A split as train, evaluate and export read it."""
    prepared = project.root / "data/reviews/prepared"
    return read_examples(prepared, tokenized_folder(project), split, None)


def replace_rows(project: Project, split: SplitName, table: pa.Table) -> None:
    """Put `table` in the place of a prepared split. Tokens are of rows: replace them, too."""
    _replace(project.root / "data/reviews/prepared", split, table, ".parquet")


def replace_tokens(project: Project, split: SplitName, table: pa.Table) -> None:
    """Put `table` in the place of a tokenized split."""
    _replace(tokenized_folder(project), split, table, ".arrow")


def as_made(folder: Path) -> None:
    """Let the manifest of an artifact that was edited say what it holds: a stage asks for that."""
    path = folder.with_name(f"{folder.name}.manifest.json")
    if path.is_file():
        replace(Manifest.read(path), files=digest_files(folder)).write(path)


def _replace(folder: Path, split: SplitName, table: pa.Table, suffix: str) -> None:
    index = read_index(folder)
    for shard in index.splits[split]:
        (folder / shard.path).unlink()  # kept shards are the same file, and this one is mapped
    name = file_name(split, 0, suffix)
    write = write_arrow if suffix == ".arrow" else write_parquet
    write(table, folder / name)
    shards = [ShardFile(name, len(table), file_digest(folder / name), TABLE, 1)]
    Index(index.columns, {**index.splits, split: shards}).write(folder)
    as_made(folder)


def write_shards(
    folder: Path,
    splits: Mapping[SplitName, Sequence[pa.Table]],
    files: str | Mapping[SplitName, str] = TABLE,
) -> Path:
    """A folder of raw or prepared shards, one a table, as the stages write it.

    `files` is what the rows are from, for each split or for all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, None] = {}
    found: dict[SplitName, list[ShardFile]] = {}
    for split in SPLITS:
        first = 1
        for number, table in enumerate(splits.get(split, ())):
            name = file_name(split, number, ".parquet")
            write_parquet(table, folder / name)
            file = files if isinstance(files, str) else files[split]
            shard = ShardFile(name, len(table), file_digest(folder / name), file, first)
            found.setdefault(split, []).append(shard)
            columns |= dict.fromkeys(table.column_names)
            first += len(table)
    Index(tuple(columns), found).write(folder)
    return folder
