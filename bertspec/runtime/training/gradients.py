"""The gradients of a step: in several parts, or with less kept, to save memory."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Batch
from bertspec.core.errors import InputError
from bertspec.runtime.training.objective import Objective

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def backward(
    model: "PreTrainedModel", objective: Objective, parts: Sequence[Batch]
) -> "torch.Tensor":
    """Give the parameters, which have none, the gradients of a step's loss; the result is the loss.

    It is that of all parts together: the sum of their losses divided by the sum of their weights.
    """
    if len(parts) == 1:
        total, weight = objective.loss(model, parts[0])
        loss = total / weight
        loss.backward()
        return loss.detach()
    sum_of_losses, sum_of_weights = summed(model, objective, parts)
    # The weights of all parts are known only now, and what a part computed is gone by then.
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= sum_of_weights
    return sum_of_losses / sum_of_weights


def summed(
    model: "PreTrainedModel", objective: Objective, parts: Sequence[Batch]
) -> "torch.Tensor":
    """Sums of the parts' losses and of their weights; gradients of the first are added up.

    They stay where the model is: to read them would wait for a GPU after each part.
    """
    import torch

    sums = torch.zeros(2, dtype=torch.float64, device=model.device)
    for part in parts:
        total, weight = objective.loss(model, part)
        total.backward()
        sums += torch.stack([total.detach(), weight])
    return sums


def clip(learning: "Sequence[torch.nn.Parameter]", bound: float | None) -> "torch.Tensor":
    """Scale gradients down to the norm `bound`, if there is one; the result is what it was."""
    from torch.nn.utils import clip_grad_norm_

    return clip_grad_norm_(learning, math.inf if bound is None else bound)


def recompute_activations(model: "PreTrainedModel") -> None:
    """Have the backward pass compute what is inside of each layer again, in place of keeping it.

    Gradient checkpointing (Chen et al., 2016) as transformers and torch have it. Dropout draws the
    same again, so the gradients are the same to the bit. Raises InputError (E403) for a family
    that transformers does not have it for.
    """
    # Older versions of transformers know it by its other name alone.
    enable = getattr(model, "activation_checkpointing_enable", None)
    try:
        (enable or model.gradient_checkpointing_enable)({"use_reentrant": False})
    except ValueError:
        raise InputError.of(
            "E403",
            f"transformers has no gradient checkpointing for `{model.config.model_type}`",
            "remove `training.execution.gradient_checkpointing`; `training.batch.accumulate` "
            "saves memory with any base",
        ) from None
    # Without re-entering, torch does not need it.
    model.disable_input_require_grads()
