"""Run a trained model over a split."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.batch import EVALUATION, Batch, Tokens
from bertspec.catalog.task import LossOptions, Task
from bertspec.core.progress import Bar
from bertspec.runtime.training.batches import Units, batches_by_length, collate

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

DRAW = EVALUATION

Run = Callable[[Batch], "torch.Tensor"]
"""A batch with its targets -> what `Task.loss` takes."""


def model_runner(model: "PreTrainedModel", task: Task) -> Run:
    """Run the model itself, in eval mode."""
    model.eval()
    return lambda batch: task.forward_for_loss(model, batch)


def infer(
    run: Run, task: Task, tokens: Tokens, pad_id: int, bar: Bar | None = None
) -> "tuple[Sequence[np.ndarray], float]":
    """What the task keeps of each sequence's output, in their order, and the loss of the split.

    The loss is the task's plain one, in 32 bits, whatever training added to it.
    """
    import torch

    units = Units(task, tokens)
    kept: list[np.ndarray] = [None] * len(tokens)  # type: ignore[list-item] # all are set below
    total = weight = 0.0
    with torch.inference_mode():
        for batch_units in batches_by_length(units.lengths, task.rows_at_once):
            rows = units.sequences(batch_units)
            batch = collate(task, tokens, rows, pad_id, DRAW)
            outputs = run(batch).float()
            losses, weights = task.loss(outputs, batch, LossOptions())
            total, weight = total + float(losses), weight + float(weights)
            arrays = {name: tensor.numpy() for name, tensor in batch.inputs.items()}
            found = task.keep(outputs.numpy(), arrays, batch.targets.numpy())
            for row, output in zip(rows, found, strict=True):
                kept[row] = output
            if bar:
                bar(len(rows))
    return kept, total / weight if weight else 0.0
