"""How far a model's outputs are from those of its teacher (Hinton et al., 2015)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def divergences(
    logits: "torch.Tensor", teacher: "torch.Tensor", temperature: float
) -> "torch.Tensor":
    """`T^2 KL(softmax(teacher / T) || softmax(logits / T))`, (..., labels) -> (...).

    The square keeps the gradients about as large at any temperature.
    """
    from torch.nn.functional import kl_div

    said, wanted = ((x / temperature).log_softmax(dim=-1) for x in (logits, teacher))
    return temperature**2 * kl_div(said, wanted, reduction="none", log_target=True).sum(dim=-1)


def binary_divergences(
    logits: "torch.Tensor", teacher: "torch.Tensor", temperature: float
) -> "torch.Tensor":
    """The same of each logit by itself: of the Bernoulli distribution that its sigmoid is of."""
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    said, wanted = logits / temperature, teacher / temperature
    shares = wanted.sigmoid()
    entropy = cross_entropy(wanted, shares, reduction="none")
    return temperature**2 * (cross_entropy(said, shares, reduction="none") - entropy)
