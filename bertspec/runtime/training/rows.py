"""Rows of a tensor, each taken or put once, so that gradients are copies and not sums."""

from typing import Any

import torch


class Take(torch.autograd.Function):
    """`tensor[places]`, and 0 behind it, up to `size` rows; each place is there once."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(tensor)
        return _take(tensor, places, size)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return _put(gradients[0][: len(places)], places, ctx.size), None, None


class Put(torch.autograd.Function):
    """Rows put to some of `size` places; 0 at the others."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        return _put(rows, places, size)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradients[0].index_select(0, ctx.saved_tensors[0]), None, None


class Repeat(torch.autograd.Function):
    """`tensor[sources]`, which has the first rows at their places of `places`, and at others any of
    them, of which nothing may depend: they have no part in the gradient, nor have further rows.
    """

    @staticmethod
    def forward(
        ctx: Any, tensor: torch.Tensor, sources: torch.Tensor, places: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(tensor)
        return tensor.index_select(0, sources)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return _take(gradients[0], ctx.saved_tensors[0], ctx.size), None, None


def _take(tensor: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
    found = tensor.new_empty(size, *tensor.shape[1:])
    torch.index_select(tensor, 0, places, out=found[: len(places)])
    found[len(places) :] = 0
    return found


def _put(rows: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
    return rows.new_zeros(size, *rows.shape[1:]).index_copy_(0, places, rows)
