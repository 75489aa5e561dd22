"""Attention with the projections that it reads as one operator: onnxruntime's Attention.

It writes queries, keys and values with their heads apart, as it reads them; MultiHeadAttention
copies what three matrices have given.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.editing import INT32, ORT, Editor, Linear, read_by

if TYPE_CHECKING:
    import onnx

_MASK, _MASK_INT32 = "attention_mask", "attention_mask_int32"

_HIDDEN = -1e4
"""To a score that is hidden so much is added, or less."""

_LENGTH = 1000
"""Tokens of the rows by which a mask is judged: a window of fewer shows in them, and one of more is
a number of the graph.
"""

_ALL = 2**62
"""Ends of slices beyond any length are more."""


def fuse_projections(model: "onnx.ModelProto") -> None:
    """Where padding alone is hidden, and query, key and value are linear layers of one value.

    Those of two values, such as attention of first tokens, and scaled in another way than by the
    size of heads, stay MultiHeadAttention, but read the model's mask as it is given. Where
    something else is hidden nothing changes.
    """
    editor = Editor(model)
    weights = {w.name: w for w in model.graph.initializer}
    known: dict[str, bool] = {"": True}
    for node in [n for n in editor.nodes if n.op_type == "MultiHeadAttention"]:
        options = editor.attributes(node)
        bias = node.input[5] if len(node.input) > 5 else ""  # noqa: PLR2004
        if bias not in known:
            known[bias] = _hides_padding_alone(editor.part(bias))
        if options["unidirectional"] or not known[bias]:
            continue
        if bias and not editor.has(_MASK_INT32):
            editor.make("Cast", [_MASK], _MASK_INT32, editor.nodes[0], to=INT32)
        mask = _MASK_INT32 if bias else ""
        layers = _of_one_value(editor, node.input[:3])
        if layers and _is_usual(editor, layers[0], options["num_heads"], options["scale"]):
            joined = [
                _joined(editor, weights, names)
                for names in ([la.matrix for la in layers], [la.bias for la in layers])
            ]
            kind, inputs = "Attention", [layers[0].value, *joined, mask]
            options = {"num_heads": options["num_heads"]}
        else:
            kind, inputs = "MultiHeadAttention", [*node.input[:3], "", mask]
        editor.make(kind, inputs, node.output[0], node, domain=ORT, **options)
        editor.remove(node)
    editor.finish()


def _of_one_value(editor: Editor, names: Sequence[str]) -> list[Linear]:
    """The linear layers that make these values, if they are of one value and shape, with biases."""
    layers = [layer for name in names if (layer := editor.linear(name)) and layer.bias]
    forms = {(layer.value, editor.weights[layer.matrix]) for layer in layers}
    return layers if len(layers) == len(names) and len(forms) == 1 else []


def _is_usual(editor: Editor, layer: Linear, heads: int, scale: float) -> bool:
    """Whether scores are divided by the root of a head's size: onnxruntime's 8-bit form does."""
    size = editor.weights[layer.matrix][1] // heads
    return math.isclose(scale, size**-0.5, rel_tol=1e-6)


def _joined(editor: Editor, weights: "dict[str, onnx.TensorProto]", names: Sequence[str]) -> str:
    """Weights side by side; layers of the same ones, as ALBERT's, share them."""
    import numpy as np
    from onnx.numpy_helper import to_array

    return editor.weight(
        "+".join(names), np.concatenate([to_array(weights[name]) for name in names], axis=-1)
    )


def _hides_padding_alone(bias: "onnx.ModelProto") -> bool:
    """Whether what is added to scores depends on the model's mask so, which is computed to see."""
    import numpy as np

    from bertspec.catalog.onnx_graphs.session import open_session

    given = [value.name for value in bias.graph.input]
    read = {name for node in bias.graph.node if node.op_type != "Shape" for name in read_by(node)}
    if read.intersection(given) != {_MASK} or any(map(_may_matter, bias.graph.initializer)):
        return False
    lengths = np.array([_LENGTH, _LENGTH // 2, 1])
    mask = (np.arange(_LENGTH) < lengths[:, None]).astype(np.int64)
    try:
        (found,) = open_session(bias.SerializeToString()).run(None, dict.fromkeys(given, mask))
        seen = np.broadcast_to(mask[:, None, None, :] > 0, found.shape)
    except Exception:  # noqa: BLE001 - onnxruntime's kinds have nothing in common
        return False
    return bool(np.where(seen, found == 0, found <= _HIDDEN).all())


def _may_matter(weight: "onnx.TensorProto") -> bool:
    """Whether it is learned, or a number of more tokens than the rows to judge by have."""
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    if weight.data_type == TensorProto.FLOAT:
        return len(weight.dims) > 0
    numbers = to_array(weight)
    return bool(((numbers >= _LENGTH) & (numbers < _ALL)).any())
