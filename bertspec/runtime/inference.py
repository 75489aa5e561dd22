"""Run a trained model over a split."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from bertspec.catalog.batch import EVALUATION, Batch, Tokens
from bertspec.catalog.export import INPUTS, Runner
from bertspec.catalog.task import LossOptions, Task
from bertspec.core.progress import Bar
from bertspec.runtime.at_once import characters, chunks, runs
from bertspec.runtime.examples import Examples
from bertspec.runtime.training.batches import Units, batches_by_length, collate
from bertspec.runtime.training.gathering import gathered
from bertspec.runtime.training.team import ALONE, Team

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

DRAW = EVALUATION

Run = Callable[[Batch], "torch.Tensor"]
"""A batch with its targets -> what `Task.loss` takes. Both are on the processor."""


def model_runner(model: "PreTrainedModel", task: Task, *, bf16: bool = False) -> Run:
    """Run the model itself, in eval mode, where it is; outputs are on the processor."""
    import torch

    model.eval()

    def run(batch: Batch) -> torch.Tensor:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            return task.forward_for_loss(model, batch.to(model.device)).cpu()

    return run


def infer(
    run: Run,
    task: Task,
    tokens: Tokens,
    pad_id: int,
    bar: Bar | None = None,
    team: Team = ALONE,
) -> "tuple[Sequence[np.ndarray], float]":
    """What the task keeps of each sequence's output, in their order, and the loss of the split.

    The loss is the task's plain one, whatever training added to it. The processes of `team` share
    the batches, and all get the whole.
    """
    import torch

    units = Units(task, tokens)
    own_kept: dict[int, np.ndarray] = {}
    own_sums: dict[int, tuple[float, float]] = {}
    with torch.inference_mode():
        batches = enumerate(batches_by_length(units.lengths, task.rows_at_once))
        for number, batch_units in islice(batches, team.rank, None, team.size):
            rows = units.sequences(batch_units)
            batch = collate(task, tokens, rows, pad_id, DRAW)
            outputs = run(batch).float()
            losses, weights = task.loss(outputs, batch, LossOptions())
            own_sums[number] = float(losses), float(weights)
            arrays = {name: tensor.numpy() for name, tensor in batch.inputs.items()}
            found = task.keep(outputs.numpy(), arrays, batch.targets.numpy())
            own_kept.update(zip(rows.tolist(), found, strict=True))
            if bar:
                bar(len(rows))
    kept, sums = gathered(team, own_kept, own_sums)
    total = weight = 0.0
    for number in sorted(sums):  # float sums depend on their order
        total, weight = total + sums[number][0], weight + sums[number][1]
    return [kept[row] for row in range(len(tokens))], total / weight if weight else 0.0


def infer_as_predicted(
    runner: Runner, task: Task, examples: Examples, fields: Sequence[str], pad_id: int, *,
    alone: bool,
) -> "Sequence[np.ndarray]":  # fmt: skip
    """What the task keeps of each sequence's output, in their order, from an exported model.

    The batches are those in which `bertspec predict` runs the rows, of which it is given `fields`;
    `alone` is that of the export.
    """
    import torch

    tokens = examples.tokens
    kept: dict[int, np.ndarray] = {}
    with torch.inference_mode():
        for rows in _as_predicted(task, examples, fields, alone=alone):
            batch = collate(task, tokens, rows, pad_id, DRAW)
            inputs = {name: batch.inputs[name].numpy() for name in INPUTS}
            found = task.keep(runner(inputs), inputs, batch.targets.numpy())
            kept.update(zip(rows.tolist(), found, strict=True))
    return [kept[row] for row in range(len(tokens))]


def _as_predicted(
    task: Task, examples: Examples, fields: Sequence[str], *, alone: bool
) -> "Iterator[np.ndarray]":
    tokens, row = examples.tokens, 0
    firsts = [*tokens.firsts.tolist(), len(tokens)]
    for chunk in chunks(_inputs(examples, fields), characters):
        first, row = firsts[row], row + len(chunk)
        for places in runs(task, tokens.lengths[first : firsts[row]], alone=alone):
            yield first + places


def _inputs(examples: Examples, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for part in examples.rows.select(fields).to_batches():
        yield from part.to_pylist()
