"""The gradients of a step, of which the examples may run in several parts."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Batch
from bertspec.catalog.task import LossOptions, Task

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel


def divided(units: "np.ndarray", parts: int) -> "Sequence[np.ndarray]":
    """The units of a step in parts of about equal size; fewer where there are not so many."""
    import numpy as np

    return np.array_split(units, min(parts, len(units)))


def backward(
    model: "PreTrainedModel",
    task: Task,
    parts: Sequence[Batch],
    options: LossOptions,
    *,
    bf16: bool,
) -> float:
    """Give the parameters, which have none, the gradients of a step's loss; the result is the loss.

    It is that of all parts together: the sum of their losses divided by the sum of their weights.
    """
    if len(parts) == 1:
        total, weight = _loss(model, task, parts[0], options, bf16=bf16)
        loss = total / weight
        loss.backward()
        return float(loss.detach())
    sum_of_losses = sum_of_weights = 0.0
    for part in parts:
        total, weight = _loss(model, task, part, options, bf16=bf16)
        total.backward()
        sum_of_losses += float(total.detach())
        sum_of_weights += float(weight)
    # The weights of all parts are known only now, and what a part computed is gone by then.
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= sum_of_weights
    return sum_of_losses / sum_of_weights if sum_of_weights else math.nan


def _loss(
    model: "PreTrainedModel", task: Task, batch: Batch, options: LossOptions, *, bf16: bool
) -> "tuple[torch.Tensor, torch.Tensor]":
    """See `Task.loss`."""
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        outputs = task.forward_for_loss(model, batch)
    return task.loss(outputs.float(), batch, options)
