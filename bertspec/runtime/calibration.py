"""Training rows that an export is fitted on, as the model sees them."""

from pathlib import Path

from bertspec.catalog.export import INPUTS, Batches
from bertspec.catalog.task import Task
from bertspec.runtime.inference import DRAW
from bertspec.runtime.training.batches import Units, batches_by_length, collate, read_tokens


def training_batches(tokenized: Path, task: Task, pad_id: int, count: int) -> Batches:
    """So many sequences of the training split, evenly spaced in it, in batches as infer has them.

    Of a task that wants the sequences of an example together, so many examples.
    """
    import numpy as np

    tokens = read_tokens(tokenized, "train")
    units = Units(task, tokens)
    total = len(units.lengths)
    chosen = np.linspace(0, total - 1, min(count, total)).astype(int)
    for places in batches_by_length(units.lengths[chosen], task.rows_at_once):
        rows = units.sequences(chosen[places])
        inputs = collate(task, tokens, rows, pad_id, DRAW).inputs
        yield {name: inputs[name].numpy() for name in INPUTS}
