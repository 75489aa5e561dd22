"""tokenize: prepared rows become token ids and targets, shard by shard."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.digest import digest, file_digest
from bertspec.core.errors import InputError
from bertspec.core.progress import progress
from bertspec.pipeline.params.tokenize import TokenizeParams
from bertspec.runtime.budgets import over_budget
from bertspec.runtime.context import Context
from bertspec.runtime.shards import Index, ShardFile, file_name, read_index, read_shards
from bertspec.runtime.tables import write_arrow
from bertspec.runtime.tokenized import Tokenized

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "tokens.arrow"


def run(context: Context[TokenizeParams]) -> list[Diagnostic]:
    """Write each prepared shard with the columns of `Task.encode`, and what they are of.

    Raises InputError naming file and row for a target that the task does not have. Returns a
    finding for each budget that is exceeded.
    """
    params, folder = context.params, context.outputs["tokenized"]
    options = params.tokenization
    base, prepared = context.inputs["base"], context.inputs["prepared"]
    encoder = Encoder(load_tokenizer(base), options.max_length, options.long_documents)
    index = read_index(prepared)
    tokenizer_digest = file_digest(base / TOKENIZER)

    def key(shard: ShardFile) -> str:
        return digest([context.identity, tokenizer_digest, shard.sha256])

    _check_targets(context, index, key)
    splits: dict[SplitName, list[ShardFile]] = {split: [] for split in SPLITS}
    with progress("tokenize", sum(index.rows(split) for split in SPLITS)) as bar:
        for split, shards in index.splits.items():
            for number, shard in enumerate(shards):

                def make(work: Path, shard: ShardFile = shard) -> None:
                    rows = read_shards(prepared, [shard])
                    write_arrow(params.task.encode(rows, encoder), work / NAME)

                name = file_name(split, number, ".arrow")
                made = context.reuse.place(key(shard), make, {NAME: folder / name}.__getitem__)
                splits[split].append(
                    ShardFile(name, shard.rows, made.digests[NAME], shard.file, shard.first)
                )
                bar(shard.rows)
    Index((), splits).write(folder)
    Tokenized(
        task=params.task.as_read_by("tokenize"),
        tokenization=params.tokenization.as_read_by("tokenize"),
        fields=[c for c in params.task.input_columns() if c in index.columns],
    ).write(folder)
    return over_budget(params.budgets, options.max_length, folder, prepared)


def _check_targets(
    context: Context[TokenizeParams], index: Index, key: Callable[[ShardFile], str]
) -> None:
    """Check what is tokenized for the first time, before the first shard is."""
    task = context.params.task
    columns = [c for c in index.columns if c in (*task.target_columns, *task.checked_with)]
    for shards in index.splits.values():
        new = [shard for shard in shards if not context.reuse.has(key(shard))]
        if new and columns:
            rows = read_shards(context.inputs["prepared"], new, columns)
            task.check_targets(rows)


def load_tokenizer(folder: Path) -> "Tokenizer":
    """The tokenizer of a folder. Raises InputError (E312) for a file that is not a tokenizer."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception
        raise InputError.of(
            "E312", f"{folder / TOKENIZER} is not a tokenizer: {error}", "build the base again"
        ) from None
