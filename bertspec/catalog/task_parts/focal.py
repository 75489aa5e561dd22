"""The focal loss (Lin et al., 2017): what a model is sure of and right counts for less."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def focal_logarithms(logarithms: "torch.Tensor", gamma: float) -> "torch.Tensor":
    """`(1 - p)^gamma log p` of log-probabilities of any shape, each by itself."""
    return _power(-logarithms.expm1(), gamma) * logarithms


def focal_cross_entropy(
    logits: "torch.Tensor",
    targets: "torch.Tensor",
    weight: "torch.Tensor | None",
    label_smoothing: float,
    gamma: float,
) -> "torch.Tensor":
    """Sum of Keras' CategoricalFocalCrossentropy, whose `alpha` are the weights of the labels.

    `logits` is (rows, labels), `targets` (rows,) int64 and `weight` (labels,). With a gamma of 0 it
    is PyTorch's cross entropy.
    """
    losses = -focal_logarithms(logits.log_softmax(dim=1), gamma)
    if weight is not None:
        losses = losses * weight
    right = losses.gather(1, targets.unsqueeze(1)).sum()
    return (1 - label_smoothing) * right + label_smoothing / logits.shape[1] * losses.sum()


def binary_focal_factors(
    logits: "torch.Tensor", targets: "torch.Tensor", gamma: float
) -> "torch.Tensor":
    """`(1 - p_t)^gamma`, by which the binary cross entropy of each logit is multiplied.

    As in torchvision's sigmoid_focal_loss and Keras' BinaryFocalCrossentropy; `targets` are from 0
    to 1, and may be smoothed.
    """
    wrong = targets * (-logits).sigmoid() + (1 - targets) * logits.sigmoid()
    return _power(wrong, gamma)


def _power(probabilities: "torch.Tensor", gamma: float) -> "torch.Tensor":
    import torch

    # The slope of a power below 1 is infinite at 0.
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny) ** gamma
