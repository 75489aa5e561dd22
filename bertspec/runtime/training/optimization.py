"""Optimizer, learning rate and averaged weights from a spec's training section."""

import math
from typing import TYPE_CHECKING

from bertspec.pipeline.params.train import AdamW, Schedule
from bertspec.runtime.training.layers import layer_depths

if TYPE_CHECKING:
    import torch
    from torch.optim.swa_utils import AveragedModel
    from transformers import PreTrainedModel

_SHARE = "share"
"""Key of a parameter group: its share of the learning rate."""


def make_optimizer(
    model: "PreTrainedModel", options: AdamW, learning_rate: float, layer_decay: float = 1.0
) -> "torch.optim.AdamW":
    """AdamW; no decay for biases and normalisation, as BERT was trained.

    With `layer_decay` each layer has that share of the rate of the one above it, and the last that
    of the head's (Howard and Ruder, 2018; ELECTRA's code has the last layer one power lower).
    Raises InputError (E403) for a model whose layers are not known, if they are needed.
    """
    import torch

    trainable = [p for p in model.parameters() if p.requires_grad]
    shares = dict.fromkeys(trainable, 1.0)
    if layer_decay != 1.0:
        depths = layer_depths(model)
        shares = {p: layer_decay ** (max(depths.values()) - depths[p]) for p in trainable}
    # Weights of linear layers and embeddings are matrices; biases and LayerNorms are vectors.
    groups = [
        {
            "params": [p for p in trainable if (p.ndim > 1) is matrix and shares[p] == share],
            "weight_decay": options.weight_decay if matrix else 0.0,
            _SHARE: share,
        }
        for matrix in (True, False)
        for share in sorted(set(shares.values()))
    ]
    return torch.optim.AdamW(
        groups, lr=learning_rate, betas=(options.beta1, options.beta2), eps=options.epsilon,
        fused=True,
    )  # fmt: skip


def set_rate(optimizer: "torch.optim.Optimizer", rate: float) -> None:
    """Give each group its share of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[_SHARE]


def rate_factor(schedule: Schedule, step: int, steps: int) -> float:
    """Share of the peak learning rate in step `step` of `steps`, counted from 0.

    Equal to transformers' `get_scheduler` of the same name.
    """
    warmup = schedule.warmup_steps
    if warmup is None:
        warmup = math.ceil(schedule.warmup_ratio * steps)
    if step < warmup:
        return step / max(1, warmup)
    done = (step - warmup) / max(1, steps - warmup)
    if schedule.type == "linear":
        return max(0.0, 1.0 - done)
    if schedule.type == "cosine":
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))
    if schedule.type == "polynomial":
        final = schedule.final_ratio
        return float(final + (1.0 - final) * (1.0 - done) ** schedule.power)
    return 1.0


def averaged(model: "PreTrainedModel", decay: float | None) -> "AveragedModel | None":
    """A copy of the model for the exponential moving average of its weights, as PyTorch has it.

    It begins with the weights after the first step. None without a decay.
    """
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    if decay is None:
        return None
    # Buffers are positions and the like, whose average means nothing.
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
