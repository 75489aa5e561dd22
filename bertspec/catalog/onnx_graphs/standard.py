"""What torch.onnx.export is to write for attention and GELU in standard operators.

Its own forms take more steps, and onnxruntime finds no GELU in them.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

Translations = Mapping[Callable[..., Any], Callable[..., Any]]

MASKED = -1e30
"""Added to the score of what is masked. Infinity would make a row of nothing else not a number."""

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
        found[aten.scaled_dot_product_attention.default] = of_torch(standard_attention)
    return found


def of_torch(write: Callable[..., Any]) -> Callable[..., Any]:
    """Torch's attention, as `write` writes it.

    That is given query, key, value, mask or None, the `scale` of scores, whether it is `causal`,
    and whether heads of queries have `shared` keys.
    """

    def attention(
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,  # noqa: FBT001, FBT002 - torch's signature
        scale: float | None = None,
        enable_gqa: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        if dropout_p:
            raise ValueError("a model that is exported has no dropout")
        factor = int(query.shape[-1]) ** -0.5 if scale is None else scale
        return write(
            query, key, value, attn_mask, scale=factor, causal=is_causal, shared=enable_gqa
        )

    return attention


def is_bool(mask: Any) -> bool:
    """Whether a mask says what is seen, and is not added to scores."""
    return mask is not None and mask.dtype.name == "BOOL"


def operators() -> Any:
    """Those of the operator set, of which newer ones have the same."""
    from onnxscript import opset18

    return opset18


def _gelu(self: Any, approximate: str = "none") -> Any:
    """In the order in which onnxruntime finds that it is GELU."""
    op = operators()
    if approximate == "tanh":
        square = op.Mul(op.Mul(self, 0.044715), self)
        inner = op.Mul(op.Mul(self, math.sqrt(2 / math.pi)), op.Add(square, 1.0))
        return op.Mul(op.Mul(self, 0.5), op.Add(op.Tanh(inner), 1.0))
    return op.Mul(op.Mul(self, op.Add(op.Erf(op.Div(self, math.sqrt(2))), 1.0)), 0.5)


def standard_attention(
    query: Any, key: Any, value: Any, mask: Any, *, scale: float, causal: bool, shared: bool
) -> Any:
    """Of a row that sees nothing it is the mean of all values, where torch gives 0.

    Only padding is such a row, in attention of windows. torch's own form asks each score whether
    it is a number, to have that 0.
    """
    from onnx import TensorProto

    op = operators()
    if shared:
        key, value = (_repeated(op, each, int(query.shape[-3])) for each in (key, value))
    *batch, last, size = range(len(query.shape))
    scores = op.MatMul(op.Mul(query, scale), op.Transpose(key, perm=[*batch, size, last]))
    says_what_is_seen = causal or is_bool(mask)
    if causal:
        length = [op.Shape(each, start=-2, end=-1) for each in (query, key)]
        ones = op.Expand(op.Constant(value_float=1.0), op.Concat(*length, axis=0))
        mask = op.Cast(op.Trilu(ones, upper=0), to=TensorProto.BOOL)
    if says_what_is_seen:
        mask = op.Where(mask, 0.0, MASKED)
    if mask is not None:
        scores = op.Add(scores, mask)
    return op.MatMul(op.Softmax(scores, axis=-1), value)


def _repeated(op: Any, tensor: Any, heads: int) -> Any:
    """Heads that several queries share, once for each."""
    times = heads // int(tensor.shape[1])
    wide = op.Expand(op.Unsqueeze(tensor, [2]), [1, 1, times, 1, 1])
    return op.Reshape(wide, [0, heads, -1, int(tensor.shape[3])])
