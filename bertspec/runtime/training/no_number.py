"""A step of which the loss is no number: what is said, and by which rows it may have come."""

import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.core.errors import BertspecError, InputError
from bertspec.pipeline import layout
from bertspec.runtime.shards import ROW, read_index, read_split
from bertspec.runtime.training.batches import Units
from bertspec.runtime.training.objective import Objective

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

    from bertspec.runtime.training.sharding import Collated

_MOST = 100
"""Rows that an error names of a file."""

Named = Callable[[Sequence[int]], str]
"""Rows of the training split, by their numbers from 1 -> their name for a user."""


def in_the_split(rows: Sequence[int]) -> str:
    """The numbers themselves, for who knows no more of the rows."""
    return f"{_numbers(rows)} of train"


def in_files(root: Path, tokenized: Path, rows: Sequence[int]) -> str:
    """The files that rows are from, and their numbers there.

    The prepared rows tell it, which a training does not depend on: they may be gone, or others.
    """
    prepared = root / layout.prepared(tokenized.parents[1].name)
    try:
        before, after = (
            [(shard.file, shard.first, shard.rows) for shard in read_index(folder).splits["train"]]
            for folder in (prepared, tokenized)
        )
        if before != after:
            return in_the_split(rows)
        table = read_split(prepared, "train", []).take([row - 1 for row in rows])
    except (InputError, OSError, ValueError, LookupError, MemoryError):
        return in_the_split(rows)
    found: dict[str, list[int]] = {}
    for row in table.to_pylist():
        found.setdefault(row["file"], []).append(row[ROW])
    return " and ".join(f"{file} {_numbers(numbers)}" for file, numbers in found.items())


def _numbers(rows: Sequence[int]) -> str:
    more = f" and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
    return f"{'rows' if len(rows) > 1 else 'row'} {', '.join(map(str, rows[:_MOST]))}{more}"


def alone_at_fault(
    model: "PreTrainedModel",
    objective: Objective,
    collated: "Collated",
    units: Units,
    chosen: "np.ndarray",
) -> Sequence[int]:
    """The sequences of those of the units `chosen` whose own loss is no number, without dropout.

    `model` must be as it was in the step. It is left in eval mode: there is no further step.
    """
    import torch

    model.eval()
    found: list[int] = []
    with torch.no_grad():
        for at in range(len(chosen)):
            unit = chosen[at : at + 1]
            losses = [float(objective.loss(model, part)[0]) for part in collated(unit)]
            if not math.isfinite(sum(losses)):
                found += units.sequences(unit).tolist()
    return found


def no_number(
    loss: float,
    norm: float,
    step: int,
    rows: AbstractSet[int],
    at_fault: AbstractSet[int],
    named: Named,
) -> BertspecError:
    """The InputError (E404) for a loss, or else a norm of a gradient, that is no number.

    `rows` are those of the step, and `at_fault` those of them that alone give no number: that none
    does, or all do, says nothing of a row.
    """
    what, value = ("the loss", loss) if not math.isfinite(loss) else ("the gradient's norm", norm)
    has = f"; the batch has {named(sorted(rows))}"
    if at_fault and (rest := rows - at_fault):
        has = f" because of {named(sorted(at_fault))}; the batch also has {named(sorted(rest))}"
    return InputError.of(
        "E404",
        f"{what} is {value} in step {step}{has}",
        "lower `training.learning_rate`, or set `training.max_grad_norm`",
    )
