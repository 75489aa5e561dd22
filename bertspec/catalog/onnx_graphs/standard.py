"""What torch.onnx.export is to write for attention and GELU in standard operators.

Its own forms take more steps, and onnxruntime finds no GELU in them.
"""

import math
from collections.abc import Callable
from typing import Any

from bertspec.catalog.onnx_graphs.attention import MASKED
from bertspec.catalog.onnx_graphs.translations import Translations

_GELU, _ATTENTION = 20, 23
"""Operator sets from which on there is a standard operator, which torch writes."""


def standard_translations(opset: int) -> Translations:
    """For torch.onnx.export."""
    import torch

    aten = torch.ops.aten
    found: dict[Callable[..., Any], Callable[..., Any]] = {}
    if opset < _GELU:
        found[aten.gelu.default] = _gelu
    if opset < _ATTENTION:
        found[aten.scaled_dot_product_attention.default] = _attention
    return found


def _operators() -> Any:
    """Those of the operator set, of which newer ones have the same."""
    from onnxscript import opset18

    return opset18


def _gelu(self: Any, approximate: str = "none") -> Any:
    """In the order in which onnxruntime finds that it is GELU."""
    op = _operators()
    if approximate == "tanh":
        square = op.Mul(op.Mul(self, 0.044715), self)
        inner = op.Mul(op.Mul(self, math.sqrt(2 / math.pi)), op.Add(square, 1.0))
        return op.Mul(op.Mul(self, 0.5), op.Add(op.Tanh(inner), 1.0))
    return op.Mul(op.Mul(self, op.Add(op.Erf(op.Div(self, math.sqrt(2))), 1.0)), 0.5)


def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,  # noqa: FBT001, FBT002 - torch's signature
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: FBT001, FBT002
) -> Any:
    """Of a row that sees nothing it is the mean of all values, where torch gives 0.

    Only padding is such a row, in attention of windows. torch's own form asks each score whether
    it is a number, to have that 0.
    """
    op = _operators()
    if dropout_p:
        raise ValueError("a model that is exported has no dropout")
    if enable_gqa:
        key, value = (_repeated(op, each, int(query.shape[-3])) for each in (key, value))
    factor = int(query.shape[-1]) ** -0.5 if scale is None else scale
    *batch, last, size = range(len(query.shape))
    scores = op.MatMul(op.Mul(query, factor), op.Transpose(key, perm=[*batch, size, last]))
    if is_causal:
        length = [op.Shape(each, start=-2, end=-1) for each in (query, key)]
        ones = op.Expand(op.Constant(value_float=1.0), op.Concat(*length, axis=0))
        attn_mask = op.Cast(op.Trilu(ones, upper=0), to=9)
        scores = op.Add(scores, op.Where(attn_mask, 0.0, MASKED))
    elif attn_mask is not None:
        is_bool = attn_mask.dtype.name == "BOOL"
        scores = op.Add(scores, op.Where(attn_mask, 0.0, MASKED) if is_bool else attn_mask)
    return op.MatMul(op.Softmax(scores, axis=-1), value)


def _repeated(op: Any, tensor: Any, heads: int) -> Any:
    """Heads that several queries share, once for each."""
    times = heads // int(tensor.shape[1])
    wide = op.Expand(op.Unsqueeze(tensor, [2]), [1, 1, times, 1, 1])
    return op.Reshape(wide, [0, heads, -1, int(tensor.shape[3])])
