"""An ONNX graph of 16-bit floats; what goes in and comes out stays as it is."""

from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.editing import INT32, INT64, Editor
from bertspec.catalog.onnx_graphs.silence import silence

if TYPE_CHECKING:
    import onnx

_LARGEST = 1e4
"""What larger numbers become: a score that is masked has so much less, and stays a number."""


def fp16(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Weights and sums in 16 bits; the logits are 32-bit floats.

    So is what becomes a whole number, such as the logarithm of a distance, of which a slightly
    smaller one is another row of a table.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    count = len(model.graph.input)
    exact = _taken_out(model)
    with silence():
        converted = convert_float_to_float16(model, keep_io_types=True, max_finite_val=_LARGEST)
    del converted.graph.input[count:]
    converted.graph.node.extend(exact.node)
    converted.graph.initializer.extend(exact.initializer)
    OnnxModel.graph_topological_sort(converted.graph)  # its casts stand behind what reads them
    return converted


def _taken_out(model: "onnx.ModelProto") -> "onnx.GraphProto":
    """What makes whole numbers of floats; what it makes is then given to the model.

    A copy of its own, as others may read of it in 16 bits.
    """
    from onnx.compose import add_prefix_graph
    from onnx.helper import make_tensor_value_info

    editor = Editor(model)
    casts = [
        node
        for node in editor.nodes
        if node.op_type == "Cast"
        and editor.is_float(node.input[0])
        and editor.attributes(node)["to"] in (INT32, INT64)
    ]
    part = editor.part(*(node.output[0] for node in casts)).graph
    editor.remove(*casts)
    editor.finish()
    model.graph.input.extend(
        make_tensor_value_info(node.output[0], editor.attributes(node)["to"], None)
        for node in casts
    )
    return add_prefix_graph(part, "exact_", rename_inputs=False, rename_outputs=False)
