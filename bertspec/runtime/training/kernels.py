"""What stands between the matrix products of a BERT layer, in few passes over a GPU's memory.

Memory is what a layer waits for: each kernel reads and writes once what would else go through
bias, dropout, sum and normalization in turn, and draws its mask again in place of keeping it
(as the tutorials of Triton have it: Tillet et al., 2019). Values are computed in 32 bits; sums over
rows are added up in an order that is always the same.
"""

from typing import Any

import torch
import triton
import triton.language as tl

# Sizes that were the fastest of those tried on an H100.
_FORWARD, _BACKWARD = 8, 16
"""Rows of a program: in backward more, as each writes its sums over them."""

_TILE = 2
"""Rows that are normalized at once."""

_COLUMNS, _WARPS = 1024, 8
"""Of a program, where rows need not be seen whole."""


def add_norm(
    x: torch.Tensor, bias: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor,
    shift: torch.Tensor, probability: float, eps: float,
) -> torch.Tensor:  # fmt: skip
    """`layer_norm(dropout(x + bias) + residual)`; x and residual are (..., width) of one type.

    The rest is (width,). Masks are a function of torch's seed for the device.
    """
    seed = torch.randint(2**31 - 1, (1,), device=x.device) if probability else None
    found: torch.Tensor = _AddNorm.apply(x, bias, residual, weight, shift, seed, probability, eps)
    return found


def bias_gelu(x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """`gelu(x + bias)` in its exact form; x is (..., width), bias (width,)."""
    found: torch.Tensor = _BiasGelu.apply(x, bias)
    return found


def project(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """`linear(x, weight, bias)` in the type of x, of which the gradient of the bias is fast."""
    found: torch.Tensor = _Project.apply(x, weight, bias)
    return found


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, bias: torch.Tensor, residual: torch.Tensor,
        weight: torch.Tensor, shift: torch.Tensor, seed: torch.Tensor | None, probability: float,
        eps: float,
    ) -> torch.Tensor:  # fmt: skip
        x, residual = x.contiguous(), residual.contiguous()
        rows, width = _size(x)
        total, found = torch.empty_like(x), torch.empty_like(x)
        statistics = torch.empty(2, rows, dtype=torch.float32, device=x.device)
        lost = round(probability * 2**32)
        sizes = rows, width, lost - 2**31, 1 / (1 - lost / 2**32) if lost < 2**32 else 0.0
        shape = {"TILE": _TILE, "BLOCK": triton.next_power_of_2(width), "DROPS": lost > 0}
        _add_norm_forward[(triton.cdiv(rows, _FORWARD),)](
            x, bias, residual, weight, shift, seed, total, found, statistics, *sizes, eps,
            ROWS=_FORWARD, **shape,
        )  # fmt: skip
        ctx.save_for_backward(total, statistics, weight, seed)
        ctx.sizes, ctx.shape = sizes, shape
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        total, statistics, weight, seed = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        rows, width = _size(total)
        of_residual = torch.empty_like(total)
        of_x = torch.empty_like(total) if ctx.shape["DROPS"] else of_residual
        programs = triton.cdiv(rows, _BACKWARD)
        sums = total.new_empty(3, programs, width, dtype=torch.float32)
        _add_norm_backward[(programs,)](
            gradient, total, statistics, weight, seed, of_residual, of_x, sums, *ctx.sizes,
            ROWS=_BACKWARD, **ctx.shape,
        )  # fmt: skip
        of_weight, of_shift, of_bias = sums.sum(1)
        return of_x, of_bias, of_residual, of_weight, of_shift, None, None, None


class _BiasGelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        rows, width = _size(x)
        found = torch.empty_like(x)
        grid = triton.cdiv(rows, _FORWARD), triton.cdiv(width, _COLUMNS)
        _bias_gelu_forward[grid](x, bias, found, rows, width, ROWS=_FORWARD, BLOCK=_COLUMNS)
        ctx.save_for_backward(x, bias)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, bias = ctx.saved_tensors
        rows, width = _size(x)
        of_x = torch.empty_like(x)
        grid = triton.cdiv(rows, _BACKWARD), triton.cdiv(width, _COLUMNS)
        sums = x.new_empty(grid[0], width, dtype=torch.float32)
        _bias_gelu_backward[grid](
            gradients[0].contiguous(), x, bias, of_x, sums, rows, width,
            ROWS=_BACKWARD, BLOCK=_COLUMNS, num_warps=_WARPS,
        )  # fmt: skip
        return of_x, sums.sum(0)


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        ctx.type, weight = weight.dtype, weight.to(x.dtype)
        ctx.save_for_backward(x, weight)
        return torch.nn.functional.linear(x, weight, bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous().flatten(0, -2)
        rows, width = gradient.shape
        grid = triton.cdiv(rows, _BACKWARD), triton.cdiv(width, _COLUMNS)
        sums = x.new_empty(grid[0], width, dtype=torch.float32)
        _column_sums[grid](
            gradient, sums, rows, width, ROWS=_BACKWARD, BLOCK=_COLUMNS, num_warps=_WARPS
        )
        of_weight = (gradient.t() @ x.flatten(0, -2)).to(ctx.type)
        return (gradient @ weight).view_as(x), of_weight, sums.sum(0)


def _size(tensor: torch.Tensor) -> tuple[int, int]:
    """Rows and width."""
    return tensor.numel() // tensor.shape[-1], tensor.shape[-1]


@triton.jit
def _kept(seed, row, least, BLOCK: tl.constexpr):
    """Which values of rows stay: a function of seed, row and column (Salmon et al., 2011)."""
    places = row * (BLOCK // 4) + tl.arange(0, BLOCK // 4)[None, :]
    a, b, c, d = tl.randint4x(seed, places)
    draws = tl.reshape(tl.join(tl.join(a, b), tl.join(c, d)), [row.shape[0], BLOCK])
    return draws.to(tl.int32, bitcast=True) >= least


@triton.jit
def _vector(pointer, columns, real):
    return tl.load(pointer + columns, mask=real, other=0.0).to(tl.float32)


@triton.jit
def _add_norm_forward(
    x, bias, residual, weight, shift, seed, total, found, statistics, rows, width, least, scale,
    eps, ROWS: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK)[None, :]
    real = columns < width
    b, w, s = (
        _vector(bias, columns, real),
        _vector(weight, columns, real),
        _vector(shift, columns, real),
    )
    drawn = tl.load(seed) if DROPS else 0
    for number in range(0, ROWS, TILE):
        row = tl.program_id(0) * ROWS + number + tl.arange(0, TILE)[:, None]
        there = real & (row < rows)
        at = row.to(tl.int64) * width + columns
        value = tl.load(x + at, mask=there, other=0.0).to(tl.float32) + b
        if DROPS:
            value = tl.where(_kept(drawn, row, least, BLOCK), value * scale, 0.0)
        value += tl.load(residual + at, mask=there, other=0.0).to(tl.float32)
        # What backward reads is what is normalized.
        kept = value.to(total.dtype.element_ty)
        tl.store(total + at, kept, mask=there)
        value = kept.to(tl.float32)
        mean = tl.sum(value, 1)[:, None] / width
        far = tl.where(real, value - mean, 0.0)
        rate = 1 / tl.sqrt(tl.sum(far * far, 1)[:, None] / width + eps)
        tl.store(statistics + row, mean, mask=row < rows)
        tl.store(statistics + rows + row, rate, mask=row < rows)
        tl.store(found + at, (far * rate * w + s).to(found.dtype.element_ty), mask=there)


@triton.jit
def _add_norm_backward(
    gradient, total, statistics, weight, seed, of_residual, of_x, sums, rows, width, least, scale,
    ROWS: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK)[None, :]
    real = columns < width
    w = _vector(weight, columns, real)
    drawn = tl.load(seed) if DROPS else 0
    of_weight = tl.zeros([TILE, BLOCK], tl.float32)
    of_shift = tl.zeros([TILE, BLOCK], tl.float32)
    of_bias = tl.zeros([TILE, BLOCK], tl.float32)
    for number in range(0, ROWS, TILE):
        row = tl.program_id(0) * ROWS + number + tl.arange(0, TILE)[:, None]
        there = real & (row < rows)
        at = row.to(tl.int64) * width + columns
        mean = tl.load(statistics + row, mask=row < rows, other=0.0)
        rate = tl.load(statistics + rows + row, mask=row < rows, other=0.0)
        given = tl.load(gradient + at, mask=there, other=0.0).to(tl.float32)
        value = tl.load(total + at, mask=there, other=0.0).to(tl.float32)
        normal = tl.where(real, (value - mean) * rate, 0.0)
        of_weight += given * normal
        of_shift += given
        given *= w
        along = tl.sum(given * normal, 1)[:, None] / width
        wanted = (given - tl.sum(given, 1)[:, None] / width - normal * along) * rate
        tl.store(of_residual + at, wanted.to(of_residual.dtype.element_ty), mask=there)
        if DROPS:
            wanted = tl.where(_kept(drawn, row, least, BLOCK), wanted * scale, 0.0)
            tl.store(of_x + at, wanted.to(of_x.dtype.element_ty), mask=there)
        of_bias += wanted
    here = sums + tl.program_id(0) * width + tl.arange(0, BLOCK)
    size, real = tl.num_programs(0) * width, tl.arange(0, BLOCK) < width
    tl.store(here, tl.sum(of_weight, 0), mask=real)
    tl.store(here + size, tl.sum(of_shift, 0), mask=real)
    tl.store(here + 2 * size, tl.sum(of_bias, 0), mask=real)


@triton.jit
def _bias_gelu_forward(x, bias, found, rows, width, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = columns < width
    b = _vector(bias, columns, real)
    for number in range(ROWS):
        row = tl.program_id(0) * ROWS + number
        there = real & (row < rows)
        at = row.to(tl.int64) * width + columns
        value = tl.load(x + at, mask=there, other=0.0).to(tl.float32) + b
        value *= 0.5 * (1 + tl.erf(value * 0.7071067811865476))
        tl.store(found + at, value.to(found.dtype.element_ty), mask=there)


@triton.jit
def _bias_gelu_backward(
    gradient, x, bias, of_x, sums, rows, width,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = columns < width
    b = _vector(bias, columns, real)
    of_bias = tl.zeros([BLOCK], tl.float32)
    for number in range(ROWS):
        row = tl.program_id(0) * ROWS + number
        there = real & (row < rows)
        at = row.to(tl.int64) * width + columns
        value = tl.load(x + at, mask=there, other=0.0).to(tl.float32) + b
        given = tl.load(gradient + at, mask=there, other=0.0).to(tl.float32)
        slope = 0.5 * (1 + tl.erf(value * 0.7071067811865476))
        slope += value * 0.3989422804014327 * tl.exp(-0.5 * value * value)
        wanted = given * slope
        tl.store(of_x + at, wanted.to(of_x.dtype.element_ty), mask=there)
        of_bias += wanted
    _store_sums(sums, of_bias, width, BLOCK)


@triton.jit
def _column_sums(values, sums, rows, width, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    found = tl.zeros([BLOCK], tl.float32)
    for number in range(ROWS):
        row = tl.program_id(0) * ROWS + number
        there = (columns < width) & (row < rows)
        found += tl.load(values + row.to(tl.int64) * width + columns, mask=there, other=0.0).to(
            tl.float32
        )
    _store_sums(sums, found, width, BLOCK)


@triton.jit
def _store_sums(sums, found, width, BLOCK: tl.constexpr):
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    tl.store(sums + tl.program_id(0) * width + columns, found, mask=columns < width)
