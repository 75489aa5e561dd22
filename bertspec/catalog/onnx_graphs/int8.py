"""An ONNX graph whose matrices are of 8-bit whole numbers."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.editing import ORT
from bertspec.catalog.onnx_graphs.silence import silence

if TYPE_CHECKING:
    import onnx


def dynamic_int8(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Weights in 8 bits, the ranges of what they are multiplied with found in each run.

    Each column of a matrix has a scale of its own. Weights have 7 of the 8 bits, as sums of two
    products overflow 16 bits on processors without instructions for them (VNNI): they would be
    others there than on the machine that compared them with PyTorch.
    """
    # The tool would take the standard operator of that name for onnxruntime's, too.
    whole = any(n.op_type == "Attention" and n.domain == ORT for n in model.graph.node)
    return _dynamic(model, "MatMul", "Gather", *(["Attention"] if whole else []))


def int8_embeddings(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Embeddings alone as `dynamic_int8` has them; nothing is multiplied with them."""
    return _dynamic(model, "Gather")


def _dynamic(model: "onnx.ModelProto", *operators: str) -> "onnx.ModelProto":
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    del model.graph.value_info[:]  # shapes that the tool finds itself, and must not contradict
    with TemporaryDirectory() as folder, silence():
        path = Path(folder) / "model.onnx"
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=list(operators),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            # Of what onnxruntime's own operators make, which its tool does not know.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return onnx.load_model(path)
