"""Rows as a task encodes them, with a tokenizer whose every word is a token."""

from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from bertspec.catalog.batch import Tokens, tokens_of_new
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.long_documents import LongDocuments
from bertspec.catalog.task import Task

WORDS = [f"w{i}" for i in range(60)]


def tokenizer() -> Tokenizer:
    """Puts `[CLS]` and `[SEP]` around a text or a pair."""
    vocabulary = {word: i for i, word in enumerate(["[UNK]", "[CLS]", "[SEP]", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return made


def encoder(max_length: int = 16, long_documents: LongDocuments | None = None) -> Encoder:
    return Encoder(tokenizer(), max_length, long_documents)


def table(labels: list[Any], kind: pa.DataType, texts: list[str] | None = None) -> pa.Table:
    """Prepared rows: each of its own text, in file `a.csv`, counted from 1."""
    return pa.table(
        {
            "text": texts or [WORDS[i % len(WORDS)] for i in range(len(labels))],
            "label": pa.array(labels, kind),
            "file": ["a.csv"] * len(labels),
            "row": pa.array(range(1, len(labels) + 1), pa.int64()),
        }
    )


def tokens(task: Task, rows: pa.Table, long_documents: LongDocuments | None = None) -> Tokens:
    """The sequences of some rows, at most 16 tokens each."""
    made = encoder(long_documents=long_documents)
    return tokens_of_new(task.encode(rows, made), made.aggregate)
