"""Losses as sums, so that those of several batches can be put together."""

from typing import TYPE_CHECKING

from bertspec.catalog.batch import IGNORED
from bertspec.catalog.task import LossOptions

if TYPE_CHECKING:
    import torch


def weighted_cross_entropy(
    logits: "torch.Tensor", targets: "torch.Tensor", options: LossOptions
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Sum of PyTorch's cross entropy, and of the weights that its mean is over.

    `logits` is (..., labels) and `targets` (...) int64, in which IGNORED counts for nothing.
    """
    import torch

    logits, targets = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    weight = None
    counted = targets != IGNORED
    weights = counted.to(logits.dtype)
    if options.class_weights is not None:
        weight = torch.tensor(options.class_weights, dtype=logits.dtype)
        weights = weight[targets.clamp(min=0)] * weights
    total = torch.nn.functional.cross_entropy(
        logits, targets, weight=weight, label_smoothing=options.label_smoothing, reduction="sum",
        ignore_index=IGNORED,
    )  # fmt: skip
    return total, weights.sum()
