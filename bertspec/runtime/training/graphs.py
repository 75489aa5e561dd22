"""CUDA graphs: a GPU is given a whole pass of an encoder at once, and not kernel by kernel.

A processor needs longer to start the many small kernels of a layer than a GPU to run them. What is
computed is the same to the bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from bertspec.runtime.training.varlen import Row


@contextmanager
def graphs(encoder: torch.nn.Module) -> Iterator[None]:
    """Inside, training passes of an encoder that sees packed rows on a GPU run as graphs.

    Passes without gradients run as they did, and those with activations that are computed again,
    or with layers that something stands in for.
    """
    recomputes = any(getattr(m, "gradient_checkpointing", False) for m in encoder.modules())
    if recomputes or not all(p.is_cuda for p in encoder.parameters()):
        yield
        return
    encoder.forward = _Graphs(encoder).forward
    try:
        yield
    finally:
        del encoder.forward  # the class's own is seen again


class _Graphs:
    """A graph for each size of rows that has been seen; all use the same memory."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        self._encoder, self._run = encoder, encoder.forward
        self._parts = list(encoder.modules())[1:]
        self._known: dict[tuple[Any, ...], _Passes] = {}
        self._memory = torch.cuda.graph_pool_handle()

    def forward(self, hidden_states: torch.Tensor, *args: Any, packed: Any, **kwargs: Any) -> Any:
        """As the encoder's own, which takes (1, tokens, hidden) and the layout of the row."""
        others = (*args, *kwargs.values())
        is_fixed = all(value is None or isinstance(value, bool | int) for value in others)
        is_whole = not any("forward" in vars(part) for part in self._parts)
        if not (is_fixed and is_whole and torch.is_grad_enabled() and self._encoder.training):
            return self._run(hidden_states, *args, packed=packed, **kwargs)
        row: Row = packed.row
        size = row.room, len(row.borders), row.longest
        key = *size, hidden_states.dtype, hidden_states.requires_grad
        if key not in self._known:
            passes = _Passes(self._encoder, self._run, row, args, kwargs)
            self._known[key] = self._captured(passes, hidden_states, row.borders)
        found = self._known[key](hidden_states, row.borders)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=found)

    def _captured(
        self, passes: "_Passes", hidden: torch.Tensor, borders: torch.Tensor
    ) -> "_Passes":
        """Capturing runs the passes, and draws; what is drawn after it must not depend on that."""
        sample = (hidden.detach().clone().requires_grad_(hidden.requires_grad), borders.clone())
        state = torch.cuda.get_rng_state(hidden.device)
        torch.cuda.make_graphed_callables(
            passes, sample, allow_unused_input=True, pool=self._memory
        )
        torch.cuda.set_rng_state(state, hidden.device)
        return passes


class _Passes(torch.nn.Module):
    """The encoder as a module of tensors alone; `forward` becomes that of a graph."""

    def __init__(
        self,
        encoder: torch.nn.Module,
        run: Any,
        row: Row,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self._call = run, row, args, kwargs

    def forward(self, hidden: torch.Tensor, borders: torch.Tensor) -> torch.Tensor:
        run, row, args, kwargs = self._call
        # All that layers read of a layout on a GPU.
        packed = SimpleNamespace(row=replace(row, borders=borders))
        output = run(hidden, *args, packed=packed, **kwargs)
        found: torch.Tensor = output.last_hidden_state
        return found
