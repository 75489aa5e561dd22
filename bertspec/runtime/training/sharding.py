"""The gradients of a step in shards, which one process or several compute, with the same bits."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Batch
from bertspec.pipeline.params.train import Training
from bertspec.runtime.training.dropout import seed_dropout
from bertspec.runtime.training.gradients import backward, summed
from bertspec.runtime.training.objective import Objective
from bertspec.runtime.training.team import Team

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

Collated = Callable[["np.ndarray"], Sequence[Batch]]
"""Units of a step, or of a shard of it -> the parts that they run in."""


def shards_of(step: "np.ndarray", lengths: "np.ndarray", number: int) -> "Sequence[np.ndarray]":
    """The units of a step in `number` shards of about equal work; the last ones may be empty."""
    order = step[(-lengths[step]).argsort(kind="stable")]
    return [order[first::number] for first in range(number)]


def backward_of_step(
    model: "PreTrainedModel",
    objective: Objective,
    options: Training,
    step: int,
    chosen: "np.ndarray",
    lengths: "np.ndarray",
    collated: Collated,
    team: Team,
) -> "torch.Tensor":
    """As `backward`, for the units `chosen`, in one shard or more, each with a dropout of its own.

    The shards of a process are a subtree of one binary tree of sums, and processes add theirs up
    the same tree: float sums depend on their order, and this one is the same for any number of
    processes.
    """
    number = options.batch.shards
    if number == 1:
        seed_dropout(options.seed, step)
        return backward(model, objective, collated(chosen))
    shards = shards_of(chosen, lengths, number)
    learning = [p for p in model.parameters() if p.requires_grad]

    def of(shard: int) -> "list[torch.Tensor]":
        seed_dropout(options.seed, step, shard)
        sums = summed(model, objective, collated(shards[shard]) if len(shards[shard]) else [])
        return _taken(learning, sums)

    own = number // team.size
    total = _sum(of, team.rank * own, (team.rank + 1) * own)
    team.add(total)
    return _given(learning, *total)


def _sum(of: "Callable[[int], list[torch.Tensor]]", first: int, end: int) -> "list[torch.Tensor]":
    """The sum over shards from `first` to `end`, a power of two of them, in a binary tree."""
    if end - first == 1:
        return of(first)
    middle = (first + end) // 2
    total = _sum(of, first, middle)
    for mine, other in zip(total, _sum(of, middle, end), strict=True):
        mine.add_(other)
    return total


def _taken(learning: "Sequence[torch.nn.Parameter]", sums: "torch.Tensor") -> "list[torch.Tensor]":
    """What is added: all gradients as one row, float32; `sums`; and for each parameter whether it
    has a gradient. The parameters have none then.
    """
    import torch

    found = [p.grad for p in learning]
    row = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]
    gradient = torch.cat([tensor.detach().flatten() for tensor in row])
    for parameter in learning:
        parameter.grad = None
    return [gradient, sums, torch.tensor([float(grad is not None) for grad in found])]


def _given(
    learning: "Sequence[torch.nn.Parameter]",
    gradient: "torch.Tensor",
    sums: "torch.Tensor",
    has: "torch.Tensor",
) -> "torch.Tensor":
    """Give the parameters their gradients, divided by the sum of weights; the result is the loss.

    One that has none in any shard has none, so that the optimizer leaves it alone.
    """
    loss, weight = sums
    gradient /= weight
    for parameter, part, is_there in zip(
        learning, gradient.split([p.numel() for p in learning]), has.tolist(), strict=True
    ):
        parameter.grad = part.view_as(parameter) if is_there else None
    return loss / weight
