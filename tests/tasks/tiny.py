"""A tiny base, and rows as its model sees them, for tests that compare a task with a reference."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from bertspec.catalog.batch import Batch, Draw, Tokens, tokens_of_new
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.long_documents import LongDocuments
from bertspec.catalog.task import Task
from bertspec.runtime.inference import infer, model_runner
from bertspec.runtime.tokenize import load_tokenizer
from bertspec.runtime.torch_setup import quiet
from bertspec.runtime.training.batches import collate
from tests.model.models import build, scratch

DRAW = Draw(seed=0, epoch=0)


def tiny_base(folder: Path, texts: Sequence[str], **config: Any) -> Path:
    """A base folder: BERT with 2 layers of 32, or what `config` makes of it."""
    quiet()
    return build(scratch(**config), folder / "base", folder, pa.table({"text": list(texts)}))


def encoder_of(
    base: Path, max_length: int = 32, long_documents: LongDocuments | None = None
) -> Encoder:
    return Encoder(load_tokenizer(base), max_length, long_documents)


def tokens_of(task: Task, rows: pa.Table, encoder: Encoder) -> Tokens:
    return tokens_of_new(task.encode(rows, encoder), encoder.aggregate)


def batch_of(task: Task, tokens: Tokens, sequences: Sequence[int] | None = None) -> Batch:
    """The sequences, by default all, as a batch."""
    chosen = np.arange(len(tokens)) if sequences is None else np.array(sequences)
    return collate(task, tokens, chosen, 0, DRAW)


def kept_of(task: Task, base: Path, tokens: Tokens) -> Sequence[np.ndarray]:
    """What a new model of the base says of the sequences."""
    torch.manual_seed(0)
    return infer(model_runner(task.build_model(base, None), task), task, tokens, 0)[0]
