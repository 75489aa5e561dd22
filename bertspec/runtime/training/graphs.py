"""CUDA graphs: a GPU is given a whole pass of an encoder at once, and not kernel by kernel.

A processor needs longer to start the many small kernels of a layer than a GPU to run them. What is
computed is the same.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from bertspec.runtime.training.layers import encoder_of
from bertspec.runtime.training.varlen import Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_GRADIENTS = 4 * 2**30
"""Bytes of gradients that all graphs keep: each has its own. Rows of further sizes have no graph.
"""


@contextmanager
def graphs(model: "PreTrainedModel", *, wanted: bool) -> Iterator[None]:
    """Inside, training passes of the encoder that see packed rows on a GPU run as graphs.

    Passes without gradients run as they did, and those with activations that are computed again,
    or with layers that something stands in for.
    """
    encoder = encoder_of(model) if wanted else None
    if encoder is None or model.device.type == "cpu":
        yield
        return
    encoder.forward = _Graphs(encoder).forward
    gc.collect()  # of what was before, which may have memory of the GPU
    gc.freeze()  # so that what is collected for a graph is not looked for in all that is loaded
    try:
        yield
    finally:
        gc.unfreeze()
        del encoder.forward  # the class's own is seen again


class _Graphs:
    """A graph for each size of rows; what they compute within a pass shares memory.

    So a pass must have gone backward before another one begins.
    """

    def __init__(self, encoder: torch.nn.Module) -> None:
        self._encoder, self._run = encoder, encoder.forward
        self._parts = list(encoder.modules())[1:]
        self._known: dict[tuple[Any, ...], _Passes] = {}
        self._memory = torch.cuda.graph_pool_handle()
        self._learning = [p for p in encoder.parameters() if p.requires_grad]
        self._most = MOST_GRADIENTS // max(sum(p.nbytes for p in self._learning), 1)

    def forward(
        self, hidden_states: torch.Tensor, *args: Any, packed: Any = None, **kwargs: Any
    ) -> Any:
        """As the encoder's own, which takes (1, tokens, hidden) and the layout of the row."""
        if packed is None:
            return self._run(hidden_states, *args, **kwargs)
        modes = tuple(part.training for part in self._parts)
        row: Row = packed.row
        size = row.room, len(row.borders), row.longest
        given = hidden_states.dtype, hidden_states.requires_grad, *args, *kwargs.items()
        key = *size, *modes, *given
        if not (any(modes) and self._can_be([*args, *kwargs.values()], key)):
            return self._run(hidden_states, *args, packed=packed, **kwargs)
        # A graph gives its own memory as gradients, and writes to it again in its next run: those
        # of an earlier part of the step, which that of this one are added to, are copied.
        for parameter in self._learning:
            if parameter.grad is not None:
                parameter.grad = parameter.grad.clone()
        if key not in self._known:
            passes = _Passes(self._encoder, self._run, row, args, kwargs)
            self._known[key] = self._captured(passes, hidden_states, row.borders)
        found = self._known[key](hidden_states, row.borders)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=found)

    def _can_be(self, others: list[Any], key: tuple[Any, ...]) -> bool:
        """Whether a pass can run as a graph, and there is one or room for one."""
        is_fixed = all(value is None or isinstance(value, bool | int) for value in others)
        is_whole = not any("forward" in vars(part) for part in self._parts)
        recomputes = any(getattr(part, "gradient_checkpointing", False) for part in self._parts)
        can_be = is_fixed and is_whole and not recomputes and torch.is_grad_enabled()
        return can_be and (key in self._known or len(self._known) < self._most)

    def _captured(
        self, passes: "_Passes", hidden: torch.Tensor, borders: torch.Tensor
    ) -> "_Passes":
        """Capturing runs the passes, and draws; what is drawn after it must not depend on that."""
        sample = (hidden.detach().clone().requires_grad_(hidden.requires_grad), borders.clone())
        state = torch.cuda.get_rng_state(hidden.device)
        gc.collect()  # a graph that goes while another is captured would end the capture
        torch.cuda.make_graphed_callables(
            passes, sample, num_warmup_iters=1, allow_unused_input=True, pool=self._memory
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
