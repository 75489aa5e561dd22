"""Tiny language models with random weights, and texts as they see them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from bertspec.catalog.bases.scratch import ScratchBase
from bertspec.catalog.batch import Batch, Draw, Tokens, padded, tokens_of_new
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.long_documents import LongDocuments
from bertspec.catalog.task import RunTokens, Task
from bertspec.runtime.tokenize import load_tokenizer
from bertspec.runtime.training.batches import collate

TEXTS = [
    "the unhappy baker quickly burned seventeen enormous loaves of bread",
    "a gardener watered the thirsty tomatoes before the thunderstorm arrived",
    "nobody remembered where the old lighthouse keeper had buried the treasure",
    "rain",
    "seven sailors sang softly while the unsteady ship rolled",
]

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 80,
}  # fmt: skip


OWN_SIZES = {
    "albert": SIZES | {"embedding_size": 32},
    "distilbert": {
        "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 80,
    },
    "electra": SIZES | {"embedding_size": 32},
    "roformer": SIZES | {"embedding_size": 32},
}  # fmt: skip
"""Of families that need other ones."""


def make_base(folder: Path, family: str = "bert", tokenizer: str = "wordpiece") -> Path:
    """A base of this family in `folder`, with a tokenizer that cuts most words into pieces."""
    options = {"type": tokenizer, "vocab_size": 300 if tokenizer == "bpe" else 90}
    base = ScratchBase.model_validate(
        {
            "type": "scratch",
            "config": {"model_type": family} | OWN_SIZES.get(family, SIZES),
            "tokenizer": options,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    base.build(folder, folder, pa.table({"text": TEXTS}))
    return folder


def make_encoder(base: Path, max_length: int = 64, policy: LongDocuments | None = None) -> Encoder:
    return Encoder(load_tokenizer(base), max_length, policy)


def encoded(task: Task, encoder: Encoder, texts: Sequence[str]) -> Tokens:
    return tokens_of_new(task.encode(pa.table({"text": texts}), encoder), encoder.aggregate)


def batch_of(task: Task, tokens: Tokens, rows: Sequence[int], draw: Draw) -> Batch:
    return collate(task, tokens, np.array(rows), 0, draw)


def run_model(task: Task, model: Any) -> RunTokens:
    """As an exported model runs, all sequences in one padded batch."""

    def run(tokens: Tokens) -> Sequence[Any]:
        inputs = padded(tokens, np.arange(len(tokens)), 0)
        with torch.inference_mode():
            outputs = task.forward(model, {n: torch.from_numpy(a) for n, a in inputs.items()})
        return task.keep(outputs.numpy(), inputs, None)

    return run


def answers(task: Task, model: Any, encoder: Encoder, texts: Sequence[str]) -> list[Any]:
    rows = pa.table({"text": texts})
    return list(task.respond(rows, encoder, run_model(task, model), {}))
