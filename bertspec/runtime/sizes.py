"""Each export at sizes of its inputs that the rows of a test split may not have."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bertspec.catalog.batch import MASK, Tokens
from bertspec.catalog.export import INPUTS, Export, Runner, torch_runner
from bertspec.catalog.task import Task
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import CheckFailed, is_out_of_memory, reason

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

ROWS = (1, 3)
LENGTH = 17
"""One token, and so many: a size of 1 is where graphs go wrong, and others are as this one."""

ADVICE = "try another `opset` or kind of export, or a base of another family, or leave it out"


@dataclass(frozen=True)
class Sized:
    """A batch of one size, and what PyTorch says of it."""

    inputs: "Mapping[str, np.ndarray]"
    expected: "np.ndarray"

    @property
    def size(self) -> str:
        rows, length = self.inputs[MASK].shape
        return f"{rows} x {length} tokens"


def at_sizes(
    model: "PreTrainedModel", task: Task, tokens: Tokens, pad_id: int, max_length: int
) -> list[Sized]:
    """Batches of some sizes, of tokens of the split; of several rows the last is padded.

    Without sizes that the model itself does not run: Funnel reads no single token.
    """
    run = torch_runner(partial(task.forward, model))
    found = []
    for rows in ROWS:
        for length in sorted({1, min(LENGTH, max_length)}):
            inputs = _inputs(tokens, rows, length, pad_id)
            with suppress(RuntimeError, IndexError, ValueError):
                found.append(Sized(inputs, run(inputs)))
    return found


def _inputs(tokens: Tokens, rows: int, length: int, pad_id: int) -> "dict[str, np.ndarray]":
    import numpy as np

    ids = np.resize(tokens.ids, (rows, length)).astype(np.int64)
    mask = np.ones_like(ids)
    if rows > 1:
        mask[-1, length // 2 + 1 :] = 0
    ids[mask == 0] = pad_id
    return dict(zip(INPUTS, (ids, mask, np.zeros_like(ids)), strict=True))


def failures_at_sizes(export: Export, run: Runner, sizes: Sequence[Sized]) -> list[Diagnostic]:
    """E450 for each size at which an export gives other numbers than PyTorch.

    One in fewer bits need only give numbers. Where the largest number is above 1, the tolerance is
    of it: these are outputs as they are, of which a task may keep less. Raises CheckFailed (E450)
    for an export that does not run a size.
    """
    import numpy as np

    found = []
    for sized in sizes:
        got = _run(export, run, sized)
        expected = sized.expected
        if expected.ndim == 3:  # noqa: PLR2004 - of tokens: what is said of padding is nothing
            real = sized.inputs[MASK] == 1
            got, expected = got[real], expected[real]
        if not np.isfinite(got).all():
            what = f"gives what is no number at {sized.size}"
        elif export.metric_bound is None and (
            (difference := abs(got - expected).max(initial=0.0))
            > export.tolerance * max(1.0, abs(expected).max(initial=0.0))
        ):
            what = f"differs from PyTorch by {difference:.2g} at {sized.size}"
        else:
            continue
        found.append(Diagnostic("E450", f"the {export.name} export {what}", ADVICE))
    return found


def _run(export: Export, run: Runner, sized: Sized) -> "np.ndarray":
    try:
        got = run(sized.inputs)
    except Exception as error:  # each runtime has errors of its own
        if is_out_of_memory(error):
            raise
        what = f"the {export.name} export does not run {sized.size}: {reason(error)}"
        raise CheckFailed.of("E450", what, ADVICE) from error
    if got.shape != sized.expected.shape:
        what = (
            f"the {export.name} export gives an output of shape {got.shape} at {sized.size}, "
            f"and PyTorch one of {sized.expected.shape}"
        )
        raise CheckFailed.of("E450", what, ADVICE)
    return got
