"""Losses as sums, so that those of several batches can be put together."""

from typing import TYPE_CHECKING

from bertspec.catalog.batch import IGNORED
from bertspec.catalog.task import LossOptions
from bertspec.catalog.task_parts.distillation import divergences
from bertspec.catalog.task_parts.focal import focal_cross_entropy

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
    weight, weights = _weights(logits, targets, options)
    if options.focal_gamma is None:
        total = torch.nn.functional.cross_entropy(
            logits, targets, weight=weight, label_smoothing=options.label_smoothing,
            reduction="sum", ignore_index=IGNORED,
        )  # fmt: skip
    else:
        counted = targets != IGNORED
        total = focal_cross_entropy(
            logits[counted], targets[counted], weight, options.label_smoothing, options.focal_gamma
        )
    return total, weights.sum()


def weighted_divergence(
    logits: "torch.Tensor",
    teacher: "torch.Tensor",
    targets: "torch.Tensor",
    temperature: float,
    options: LossOptions,
) -> "torch.Tensor":
    """Sum of `divergences`, each with the weight that its cross entropy has above.

    `teacher` is (..., labels) like `logits`.
    """
    found = divergences(logits, teacher, temperature).reshape(-1)
    _, weights = _weights(logits, targets.reshape(-1), options)
    return (found * weights).sum()


def _weights(
    logits: "torch.Tensor", targets: "torch.Tensor", options: LossOptions
) -> "tuple[torch.Tensor | None, torch.Tensor]":
    """Of each label, if there are any, and of each target."""
    weights = (targets != IGNORED).to(logits.dtype)
    if options.class_weights is None:
        return None, weights
    weight = logits.new_tensor(options.class_weights)
    return weight, weight[targets.clamp(min=0)] * weights
