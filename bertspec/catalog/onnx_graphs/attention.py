"""Attention as one operator: onnxruntime's MultiHeadAttention in place of twenty standard ones."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertspec.catalog.onnx_graphs.editing import ORT, Editor
from bertspec.catalog.onnx_graphs.standard import MASKED
from bertspec.catalog.onnx_graphs.translations import MARKERS

if TYPE_CHECKING:
    import onnx

_HEADS_APART = (0, 2, 1, 3)
"""(batch, sequence, head, size) to (batch, head, sequence, size), and back."""


def fuse_attention(model: "onnx.ModelProto") -> None:
    """Each marker becomes a MultiHeadAttention, which takes heads side by side in the last axis."""
    editor = Editor(model)
    for node in [n for n in editor.nodes if n.domain == MARKERS]:
        options = editor.attributes(node)
        width = options["num_heads"] * options["size"]
        together = [_together(editor, node, name, width) for name in node.input[:3]]
        inputs = [*together, "", "", _bias(editor, node, options)]
        moved = editor.only_user(node.output[0], "Transpose", perm=_HEADS_APART)
        flat = editor.only_user(moved.output[0], "Reshape") if moved else None
        if flat and moved and not _is_whole(editor, flat.output[0], moved.output[0], width):
            flat = None
        result = flat.output[0] if flat else f"{node.output[0]}_together"
        editor.make(
            "MultiHeadAttention",
            inputs,
            result,
            node,
            domain=ORT,
            num_heads=options["num_heads"],
            scale=options["scale"],
            unidirectional=options["unidirectional"],
        )
        if flat and moved:
            editor.remove(moved, flat)
        else:
            shape = editor.constant([0, 0, options["num_heads"], options["size"]])
            apart = f"{result}_apart"
            editor.make("Reshape", [result, shape], apart, node)
            editor.make("Transpose", [apart], node.output[0], node, perm=_HEADS_APART)
        editor.remove(node)
    editor.finish()


def _together(editor: Editor, node: "onnx.NodeProto", name: str, width: int) -> str:
    """What a query, key or value was before its heads were set apart; or put together again."""
    apart = editor.producer(name, "Transpose", perm=_HEADS_APART)
    reshaped = editor.producer(apart.input[0], "Reshape") if apart else None
    if reshaped and _is_whole(editor, reshaped.input[0], reshaped.output[0], width):
        return reshaped.input[0]
    together = f"{name}_together"
    if not editor.has(together):
        moved = f"{name}_moved"
        editor.make("Transpose", [name], moved, node, perm=_HEADS_APART)
        editor.make("Reshape", [moved, editor.constant([0, 0, width])], together, node)
    return together


def _is_whole(editor: Editor, name: str, parts: str, width: int) -> bool:
    """Whether a value is (batch, sequence, width), those of another one with its heads apart."""
    return editor.shape(name) == (*editor.shape(parts)[:2], width)


def _bias(editor: Editor, node: "onnx.NodeProto", options: Mapping[str, Any]) -> str:
    """What is added to scores; layers of one mask share it."""
    mask = node.input[3] if len(node.input) > 3 else ""  # noqa: PLR2004
    if not mask or not options["mask_is_bool"]:
        return mask
    bias = f"{mask}_bias"
    if not editor.has(bias):
        editor.make("Where", [mask, editor.constant(0.0), editor.constant(MASKED)], bias, node)
    return bias
