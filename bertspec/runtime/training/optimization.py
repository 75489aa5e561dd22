"""Optimizer and learning-rate schedule from a spec's training section."""

import math
from typing import TYPE_CHECKING

from bertspec.pipeline.params.train import AdamW, Schedule

if TYPE_CHECKING:
    import torch


def make_optimizer(
    model: "torch.nn.Module", options: AdamW, learning_rate: float
) -> "torch.optim.AdamW":
    """AdamW in two groups: no decay for biases and normalisation, as BERT was trained."""
    import torch

    trainable = [p for p in model.parameters() if p.requires_grad]
    # Weights of linear layers and embeddings are matrices; biases and LayerNorms are vectors.
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=learning_rate, betas=(options.beta1, options.beta2), eps=options.epsilon,
        fused=True,
    )  # fmt: skip


def rate_factor(schedule: Schedule, step: int, steps: int) -> float:
    """Share of the peak learning rate in step `step` of `steps`, counted from 0.

    Equal to transformers' `get_scheduler` of the same name.
    """
    warmup = math.ceil(schedule.warmup_ratio * steps)
    if step < warmup:
        return step / max(1, warmup)
    done = (step - warmup) / max(1, steps - warmup)
    if schedule.type == "linear":
        return max(0.0, 1.0 - done)
    if schedule.type == "cosine":
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))
    return 1.0
