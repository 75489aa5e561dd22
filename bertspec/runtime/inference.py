"""Run a trained model over a split."""

from typing import TYPE_CHECKING

from bertspec.catalog.task import LossOptions, Task
from bertspec.core.progress import Bar
from bertspec.runtime.training.batches import Tokens, batches_by_length, collate

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

BATCH = 64
"""Rows at once. Part of what results depend on, so a constant and no option."""


def infer(
    model: "PreTrainedModel", task: Task, tokens: Tokens, pad_id: int, bar: Bar | None = None
) -> "tuple[np.ndarray, float]":
    """Logits of each row in the order of `tokens`, (rows, outputs) float32, and the mean loss.

    The loss is the task's plain one, in 32 bits, whatever training added to it.
    """
    import numpy as np
    import torch

    model.eval()
    logits: np.ndarray | None = None
    with torch.inference_mode():
        for rows in batches_by_length(tokens, BATCH):
            batch = collate(tokens, rows, pad_id)
            result = model(**batch.inputs).logits.float().numpy()
            if logits is None:
                logits = np.empty((len(tokens), result.shape[1]), np.float32)
            logits[rows] = result
            if bar:
                bar(len(rows))
        if logits is None:
            raise ValueError("a split without rows has no logits")
        loss = task.loss(torch.from_numpy(logits), torch.from_numpy(tokens.targets), LossOptions())
    return logits, float(loss)
