"""fetch: the source's rows as they are, in shards that an edit far from them does not change."""

import json
from collections import Counter
from dataclasses import astuple
from pathlib import Path

from bertspec.catalog.files.known_cuts import KnownChunk, KnownCuts
from bertspec.catalog.source import Piece, SplitName
from bertspec.core.digest import digest, file_digest
from bertspec.core.errors import InputError
from bertspec.core.files import write_atomic
from bertspec.core.progress import progress
from bertspec.pipeline.params.fetch import FetchParams
from bertspec.runtime.context import Context
from bertspec.runtime.shards import Index, ShardFile, file_name
from bertspec.runtime.tables import parquet_shape, write_parquet

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
            sha256 = _placed(context, piece, first, target)
            count, names = parquet_shape(target)
            columns |= dict.fromkeys(names)
            if not count:
                target.unlink()
                continue
            shards.append(ShardFile(target.name, count, sha256, piece.file, first))
            rows[split, piece.file] += count
            bar(count)
    for split, shards in splits.items():
        if not shards:
            raise InputError.of("E308", f"the source has no row for `{split}`", "check the file")
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


def _placed(context: Context[FetchParams], piece: Piece, first: int, target: Path) -> str:
    """Write the piece's rows to `target`, or take them from an earlier run; give the SHA-256."""

    def make(folder: Path) -> None:
        write_parquet(piece.read(first), folder / NAME)

    if piece.key is None:  # it is read already, so the file itself says what is in it
        write_parquet(piece.read(first), target)
        context.reuse.digests[target] = file_digest(target)
        return context.reuse.digests[target]
    key = digest([context.identity, piece.key])
    return context.reuse.place(key, make, {NAME: target}.__getitem__)[NAME]
