"""What torch.onnx.export is to write for torch's attention and GELU: one operator each."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bertspec.catalog.onnx_graphs.editing import ORT
from bertspec.catalog.onnx_graphs.standard import (
    Translations,
    is_bool,
    of_torch,
    operators,
    standard_attention,
)

if TYPE_CHECKING:
    from onnxscript.values import Op

MARKERS = "bertspec"
"""Domain of an operator that stands for torch's attention until `fuse_attention`."""

_DIMENSIONS = 4
"""Of queries, keys and values: (batch, head, sequence, size)."""


def translations() -> Translations:
    """For torch.onnx.export, and any operator set: one operator each, if onnxruntime's can be."""
    import torch

    aten = torch.ops.aten
    return {
        aten.scaled_dot_product_attention.default: _attention(),
        aten.gelu.default: _gelu(),
    }


def _attention() -> Callable[..., Any]:
    from onnx.defs import OpSchema

    integers = ("num_heads", "size", "unidirectional", "mask_is_bool")
    kinds = dict.fromkeys(integers, OpSchema.AttrType.INT) | {"scale": OpSchema.AttrType.FLOAT}
    marker = _operator(MARKERS, "Attention", ("query", "key", "value", "mask"), kinds)

    def write(
        query: Any, key: Any, value: Any, mask: Any, *, scale: float, causal: bool, shared: bool
    ) -> Any:
        if shared or not _is_one_operator(query, key, value, mask, causal=causal):
            return standard_attention(
                query, key, value, mask, scale=scale, causal=causal, shared=shared
            )
        return marker(
            query,
            key,
            value,
            _with_a_row_for_each_query(mask, query),
            num_heads=query.shape[1],
            size=query.shape[3],
            scale=scale,
            unidirectional=int(causal),
            mask_is_bool=int(is_bool(mask)),
        )

    return of_torch(write)


def _is_one_operator(query: Any, key: Any, value: Any, mask: Any, *, causal: bool) -> bool:
    """Whether onnxruntime's takes them: it repeats no batch, head or row, as torch does."""
    forms = {(*each.shape[:-2], each.shape[-1]) for each in (query, key, value)}
    numbers = [isinstance(size, int) for size in query.shape[1::2]]
    if len(forms) != 1 or len(query.shape) != _DIMENSIONS or not all(numbers):
        return False
    rows, columns = query.shape[2], key.shape[2]
    if mask is None:
        return rows == columns or not causal
    if len(mask.shape) != len(query.shape) or mask.shape[3] != columns:
        return False
    return rows in (columns, mask.shape[2])


def _with_a_row_for_each_query(mask: Any, query: Any) -> Any:
    """A mask that is the same for all queries, (batch, 1, 1, sequence), repeated for each."""
    if mask is None or mask.shape[2] == query.shape[2]:
        return mask
    op = operators()
    one, length = op.Constant(value_ints=[1]), op.Shape(mask, start=3)
    return op.Expand(mask, op.Concat(one, one, length, one, axis=0))


def _gelu() -> Callable[..., Any]:
    operators = {
        "none": _operator(ORT, "Gelu", ("X",), {}),
        "tanh": _operator(ORT, "FastGelu", ("X",), {}),
    }

    def gelu(self: Any, approximate: str = "none") -> Any:
        return operators[approximate](self)

    return gelu


def _operator(domain: str, name: str, inputs: tuple[str, ...], kinds: Mapping[str, Any]) -> "Op":
    """An operator that onnx does not know. All inputs but the first may be left out."""
    from onnx.defs import OpSchema
    from onnxscript.values import Op, Opset

    option = OpSchema.FormalParameterOption
    types = [f"tensor({kind})" for kind in ("float", "bool")]
    options = [option.Single, *[option.Optional] * (len(inputs) - 1)]
    schema = OpSchema(
        name,
        domain,
        1,
        inputs=[
            OpSchema.FormalParameter(name, f"T{i}", param_option=options[i])
            for i, name in enumerate(inputs)
        ],
        outputs=[OpSchema.FormalParameter("Y", "T0")],
        type_constraints=[(f"T{i}", types, "") for i in range(len(inputs))],
        attributes=[OpSchema.Attribute(name, kind) for name, kind in kinds.items()],
    )
    return Op(Opset(domain, 1), name, schema)
