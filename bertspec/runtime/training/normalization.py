"""Layer normalization in bf16 training on a GPU, where memory is what it waits for."""

from contextlib import AbstractContextManager

import torch
from torch.nn.functional import layer_norm

from bertspec.runtime.training.swapping import just, swapped


class _InBf16(torch.nn.LayerNorm):
    """What a LayerNorm becomes: it reads and gives 16 bits, and its sums have 32.

    Under autocast it would read and give 32, each of which the next layer rounds to 16.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            weight, bias = (p if p is None else p.bfloat16() for p in (self.weight, self.bias))
            return layer_norm(input.bfloat16(), self.normalized_shape, weight, bias, self.eps)


def norms_in_bf16(model: torch.nn.Module) -> AbstractContextManager[None]:
    """Inside, and under autocast to bf16, the layer normalizations of a model on a GPU are so."""
    return swapped(model, just(torch.nn.LayerNorm, _InBf16), "cuda")
