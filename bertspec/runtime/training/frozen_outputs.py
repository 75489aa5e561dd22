"""Outputs of the last frozen layer, computed once: what is below it need not run again."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from bertspec.catalog.batch import MASK, Batch, Tokens, padded
from bertspec.core.progress import Bar
from bertspec.core.progress import progress as progress_bar
from bertspec.runtime.training.batches import batches_by_length

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch.nn import Module
    from transformers import PreTrainedModel

FAMILIES = (
    "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet", "roberta",
    "xlm-roberta",
)  # fmt: skip
"""Families for which tests show that outputs can be kept: each layer runs once in a pass, takes
hidden states as its first argument, gives them alone or first of a tuple, and hands the next one
nothing else. ALBERT runs one layer many times. In other families the frozen layers run each time.
"""

IN_MEMORY = 2**30
"""Bytes of outputs that are held in memory. More are in a file. No result depends on it."""


class _ReachedError(Exception):
    """The last frozen layer has run, and what is above it need not."""


class FrozenOutputs:
    """Hidden states after the last of some frozen layers, (tokens, hidden) float32.

    They are computed in batches of sequences of about equal length, whatever training has seen, so
    that they are the same to the bit after an interruption: rounding differs from batch to batch.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        layers: "Sequence[Module]",
        tokens: Tokens,
        pad_id: int,
        at_once: int,
        folder: Path,
        checkpoint: Bar,
    ) -> None:
        """Compute all of them, `at_once` sequences in a batch; `model` is in eval mode.

        `folder` is for what memory has no room for; `checkpoint` is called after each batch.
        """
        import numpy as np

        self._layers, self._offsets = list(layers), tokens.offsets
        self._values = np.empty((0, 0), np.float32)
        with progress_bar("frozen layers", len(tokens)) as bar:
            for rows in batches_by_length(tokens.lengths, at_once):
                hidden, self._others = _run(model, self._layers[-1], padded(tokens, rows, pad_id))
                if not self._values.size:
                    self._dtype = hidden.dtype
                    self._values = _space((len(tokens.ids), hidden.shape[1]), folder)
                self._values[self._places(rows)] = hidden.float().cpu().numpy()
                bar(len(rows))
                checkpoint()

    @contextmanager
    def standing_in(self, batch: Batch) -> Iterator[None]:
        """Inside, the layers give what is kept for the sequences of `batch`, without running."""
        import torch

        real = batch.inputs[MASK].bool()
        values = torch.from_numpy(self._values[self._places(batch.rows)])
        found = values.to(real.device, self._dtype)

        @cache
        def output(shape: torch.Size) -> Any:
            hidden = found.new_zeros(shape)  # padding, which no layer looks at
            if shape[:2] == real.shape:
                hidden[real] = found
            else:  # the layers see all tokens of the batch as one row: see `packing`
                hidden[0, : len(found)] = found
            return hidden if self._others is None else (hidden, *self._others)

        with skipping(self._layers, output):
            yield

    def _places(self, rows: "np.ndarray") -> "np.ndarray":
        """Where the tokens of some sequences are, one sequence after another."""
        from bertspec.catalog.encoding.ragged import spread

        return spread(self._offsets[rows], self._offsets[rows + 1] - self._offsets[rows])


@contextmanager
def skipping(layers: "Sequence[Module]", output: "Callable[[torch.Size], Any]") -> Iterator[None]:
    """Inside, the layers do not run: each gives `output` of the shape of hidden states."""
    for layer in layers:
        layer.forward = lambda hidden, *_, **__: output(hidden.shape)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own is seen again


def _run(
    model: "PreTrainedModel", last: "Module", arrays: "dict[str, np.ndarray]"
) -> "tuple[torch.Tensor, tuple[None, ...] | None]":
    """Hidden states of the tokens of a batch after the layer `last`, one sequence after another.

    And what stands beside them in its output; None where that is no tuple.
    """
    import torch

    inputs = {name: torch.from_numpy(a).to(model.device) for name, a in arrays.items()}

    def reached(_layer: object, _arguments: object, output: Any) -> None:
        raise _ReachedError(output)

    hook = last.register_forward_hook(reached)
    try:
        with torch.no_grad():
            model.base_model(**inputs)
    except _ReachedError as found:
        output = found.args[0]
        others = (None,) * (len(output) - 1) if isinstance(output, tuple) else None
        hidden: torch.Tensor = output if others is None else output[0]
        return hidden[inputs[MASK].bool()], others
    finally:
        hook.remove()
    raise RuntimeError("the frozen layers did not run")


def _space(shape: tuple[int, int], folder: Path) -> "np.ndarray":
    """An array of float32, in memory or in a file that goes with it, however the process ends."""
    import numpy as np

    size = 4 * math.prod(shape)
    if size <= IN_MEMORY:
        return np.empty(shape, np.float32)
    with TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error now
        else:
            file.truncate(size)
        return np.memmap(file, np.float32, "r+", shape=shape)
