"""Sums and their normalisation stay two operators, as onnxruntime's one is slow on a processor."""

from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.editing import Editor

if TYPE_CHECKING:
    import onnx


def keep_sums_apart(model: "onnx.ModelProto") -> None:
    """A sum is normalised after it is given the shape that it has, which costs nothing.

    onnxruntime would make SkipLayerNormalization of the two. On a processor it takes five times as
    long as LayerNormalization, in which the numbers of a row are read several at once, and was a
    quarter of a model in 8 bits.
    """
    editor = Editor(model)
    for node in editor.nodes:
        if node.op_type == "LayerNormalization" and editor.producer(node.input[0], "Add"):
            total = node.input[0]
            shape, same = f"{total}_shape", f"{total}_same"
            if not editor.has(same):
                editor.make("Shape", [total], shape, node)
                editor.make("Reshape", [total, shape], same, node)
            node.input[0] = same
    editor.finish()
