"""The loss of choosing one of several, of which each example may have another number."""

from typing import TYPE_CHECKING

from bertspec.catalog.task_parts.focal import focal_logarithms

if TYPE_CHECKING:
    import torch


def cross_entropy_among(
    scores: "torch.Tensor",
    right: "torch.Tensor",
    label_smoothing: float,
    focal_gamma: float | None = None,
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Sum of the cross entropy of each example, and the number of examples.

    `scores` is (examples, candidates), minus infinity where an example has no such candidate;
    `right` is (examples,) int64. With `label_smoothing` that share of the target is spread over
    the candidates that an example has, as PyTorch's cross entropy spreads it over all labels.
    With `focal_gamma` it is the focal loss, as `focal_cross_entropy` has it.
    """
    logarithms = scores.log_softmax(dim=1)
    is_there = scores > -float("inf")
    if focal_gamma is not None:
        there = logarithms.where(is_there, logarithms.new_zeros(()))
        logarithms = focal_logarithms(there, focal_gamma)
    chosen = logarithms.gather(1, right.unsqueeze(1)).squeeze(1)
    spread = logarithms.where(is_there, logarithms.new_zeros(())).sum(dim=1) / is_there.sum(dim=1)
    losses = -(1 - label_smoothing) * chosen - label_smoothing * spread
    return losses.sum(), losses.new_full((), len(losses))
