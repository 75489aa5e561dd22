"""tokenize: prepared rows become token ids and targets, one Arrow file a split."""

from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.source import SPLITS
from bertspec.core.errors import InputError
from bertspec.core.progress import progress
from bertspec.pipeline.params.tokenize import TokenizeParams
from bertspec.runtime.context import Context
from bertspec.runtime.tables import read_parquet, write_arrow
from bertspec.runtime.tokenized import Tokenized

if TYPE_CHECKING:
    import pyarrow as pa
    from tokenizers import Tokenizer

CHUNK = 4096
"""Rows encoded at once: enough for all cores, few enough for the progress bar to move."""


def run(context: Context[TokenizeParams]) -> None:
    """Write train, validation and test with the columns of `Task.encode`, and what they are of.

    Raises InputError naming file and row for a target that the task does not have.
    """
    task, folder = context.params.task, context.outputs["tokenized"]
    tokenizer = load_tokenizer(context.inputs["base"], context.params.tokenization.max_length)
    tables = {s: read_parquet(context.inputs["prepared"] / f"{s}.parquet") for s in SPLITS}
    for table in tables.values():
        task.check_targets(table)
    with progress("tokenize", sum(len(t) for t in tables.values())) as bar:
        for split, table in tables.items():
            chunks = []
            for start in range(0, max(1, len(table)), CHUNK):
                rows = table.slice(start, CHUNK)
                chunks.append(task.encode(rows, tokenizer))
                bar(len(rows))
            write_arrow(_concat(chunks), folder / f"{split}.arrow")
    Tokenized(
        task=task.model_dump(mode="json"),
        pairs="text_pair" in tables["train"].column_names,
        max_length=context.params.tokenization.max_length,
    ).write(folder)


def load_tokenizer(folder: Path, max_length: int) -> "Tokenizer":
    """The tokenizer of a folder, truncating to `max_length` tokens, the longer of a pair first.

    Raises InputError (E312) for a file that is not a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception
        raise InputError.of(
            "E312", f"{folder / TOKENIZER} is not a tokenizer: {error}", "build the base again"
        ) from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    return tokenizer


def _concat(chunks: "list[pa.Table]") -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables(chunks)
