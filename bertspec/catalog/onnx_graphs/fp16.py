"""An ONNX graph of 16-bit floats; what goes in and comes out stays as it is."""

from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.silence import silence

if TYPE_CHECKING:
    import onnx

_LARGEST = 1e4
"""What larger numbers become: a score that is masked has so much less, and stays a number."""


def fp16(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Weights and sums in 16 bits; the logits are 32-bit floats."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    with silence():
        converted = convert_float_to_float16(model, keep_io_types=True, max_finite_val=_LARGEST)
    OnnxModel.graph_topological_sort(converted.graph)  # its casts stand behind what reads them
    return converted
