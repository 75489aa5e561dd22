"""What torch.onnx.export is to write for torch's attention and GELU: one operator each."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bertspec.catalog.onnx_graphs.editing import ORT

if TYPE_CHECKING:
    from onnxscript.values import Op

MARKERS = "bertspec"
"""Domain of an operator that stands for torch's attention until `fuse_attention`."""

Translations = Mapping[Callable[..., Any], Callable[..., Any]]


def translations() -> Translations:
    """For torch.onnx.export, and any operator set: one operator each."""
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
        if shared:
            raise ValueError("attention whose heads share keys is not one operator")
        return marker(
            query,
            key,
            value,
            mask,
            num_heads=int(query.shape[1]),
            size=int(query.shape[3]),
            scale=scale,
            unidirectional=int(causal),
            mask_is_bool=int(is_bool(mask)),
        )

    return of_torch(write)


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
