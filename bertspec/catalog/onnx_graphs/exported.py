"""A module as an ONNX graph of 32-bit floats, through torch.onnx.export."""

from typing import TYPE_CHECKING

from bertspec.catalog.export import INPUTS, Shared, dynamic_axes, example_inputs, exporting
from bertspec.catalog.onnx_graphs.attention import fuse_attention
from bertspec.catalog.onnx_graphs.silence import silence
from bertspec.catalog.onnx_graphs.standard import standard_translations
from bertspec.catalog.onnx_graphs.translations import translations

if TYPE_CHECKING:
    import onnx
    import torch


def exported(
    module: "torch.nn.Module", opset: int, shared: Shared, *, fused: bool
) -> "onnx.ModelProto":
    """The graph; batch and sequence are dynamic. One that `shared` has is not made again.

    With `fused`, GELU is one operator of onnxruntime, and so is attention that it computes alike.
    """
    import onnx

    key = ("onnx", opset, fused)
    if key not in shared.graphs:
        shared.graphs[key] = _export(module, opset, fused=fused).SerializeToString()
    model = onnx.load_model_from_string(shared.graphs[key])
    if fused:
        fuse_attention(model)
    return model


def _export(module: "torch.nn.Module", opset: int, *, fused: bool) -> "onnx.ModelProto":
    import torch
    from onnxscript.optimizer import optimize

    table = translations() if fused else standard_translations(opset)
    with silence(), torch.no_grad(), exporting():
        # Of the module, and not of its program: of some families torch exports that only once.
        found = torch.onnx.export(
            module,
            example_inputs(),
            dynamo=True,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(INPUTS, dynamic_axes()),
            opset_version=opset,
            external_data=False,
            verbose=False,
            # It would write RotaryEmbedding of operator set 23 with angles for one row alone.
            optimize=False,
            custom_translation_table=dict(table),
        )
        if found is None:
            raise ValueError("torch.onnx.export gave no program")
        optimize(found.model)
    return found.model_proto
