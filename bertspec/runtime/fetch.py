"""fetch: the source's rows as they are, in shards that an edit far from them does not change."""

import json
from collections import Counter
from dataclasses import astuple
from pathlib import Path

from bertspec.catalog.files.known_cuts import KnownChunk, KnownCuts
from bertspec.catalog.source import Piece, SplitName
from bertspec.core.digest import digest, file_digest
from bertspec.core.errors import InputError, at_field
from bertspec.core.files import write_atomic
from bertspec.core.progress import progress
from bertspec.pipeline.params.fetch import FetchParams
from bertspec.runtime.context import Context
from bertspec.runtime.shards import Index, ShardFile, file_name
from bertspec.runtime.tables import write_parquet

NAME = "rows.parquet"
CUTS = "cuts.json"


def run(context: Context[FetchParams]) -> None:
    """Write each piece of the source as a Parquet table, and the index.

    Raises InputError for what cannot be read or holds no row, EnvironmentFault for no hub.
    """
    source, raw = context.params.source, context.outputs["raw"]
    known = KnownCuts(_earlier_cuts(context))
    splits: dict[SplitName, list[ShardFile]] = {split: [] for split in source.given_splits()}
    columns: dict[str, None] = {}
    rows: Counter[tuple[SplitName, str]] = Counter()
    with progress("fetch", None) as bar:
        for split, piece in source.read(context.root, known):
            shards, first = splits[split], 1 + rows[split, piece.file]
            target = raw / file_name(split, len(shards), ".parquet")
            sha256, count, names = _placed(context, piece, first, target)
            columns |= dict.fromkeys(names)
            if not count:
                target.unlink()
                continue
            shards.append(ShardFile(target.name, count, sha256, piece.file, first))
            rows[split, piece.file] += count
            bar(count)
    for split, shards in splits.items():
        if not shards:
            with at_field("files", split):
                raise InputError.of(
                    "E308", f"the source has no row for `{split}`", "check the file"
                )
    Index(tuple(columns), splits).write(raw)
    cuts = {key: astuple(chunk) for key, chunk in known.found.items()}
    text = json.dumps({"identity": context.identity, "cuts": cuts})
    write_atomic(context.reuse.note(CUTS), text.encode())


def _earlier_cuts(context: Context[FetchParams]) -> dict[str, KnownChunk]:
    """The cuts of an earlier run of the same params and code."""
    try:
        noted = json.loads(context.reuse.note(CUTS).read_bytes())
        if noted["identity"] == context.identity:
            return {key: KnownChunk(*chunk) for key, chunk in noted["cuts"].items()}
    except (OSError, ValueError, TypeError, KeyError):  # none yet, or cut short
        pass
    return {}


def _placed(
    context: Context[FetchParams], piece: Piece, first: int, target: Path
) -> tuple[str, int, list[str]]:
    """Write the piece's rows to `target`, or take them from an earlier run.

    Gives their SHA-256 and number, and the names of their columns.
    """

    def make(folder: Path) -> tuple[int, list[str]]:
        return _write(piece, first, folder / NAME)

    if piece.key is None:  # it is read already, so the file itself says what is in it
        count, names = _write(piece, first, target)
        sha256 = context.reuse.digests[target] = file_digest(target)
    else:
        key = digest([context.identity, piece.key])
        made = context.reuse.place(key, make, {NAME: target}.__getitem__)
        sha256, (count, names) = made.digests[NAME], made.note
    return sha256, count, names


def _write(piece: Piece, first: int, target: Path) -> tuple[int, list[str]]:
    table = piece.read(first)
    write_parquet(table, target)
    return len(table), table.column_names
