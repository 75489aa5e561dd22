"""Embeddings and their normalisation as one operator of onnxruntime: EmbedLayerNormalization."""

from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.editing import INT32, ORT, Editor

if TYPE_CHECKING:
    import onnx


def fuse_embeddings(model: "onnx.ModelProto") -> None:
    """Where a sum of embeddings by token, place and (in some families) segment is normalised."""
    editor = Editor(model)
    for node in editor.nodes:
        if node.op_type == "LayerNormalization" and len(node.input) == 3:  # noqa: PLR2004
            _fuse(editor, node)
    editor.finish()


def _fuse(editor: Editor, norm: "onnx.NodeProto") -> None:
    tables: dict[str, tuple[str, str]] = {}
    for name in _summands(editor, norm.input[0]):
        gather = editor.producer(name, "Gather")
        if gather is None or gather.input[0] not in editor.weights:
            return
        table, ids = gather.input
        kind = {"input_ids": "word", "token_type_ids": "segment"}.get(ids, "position")
        if kind in tables:
            return
        tables[kind] = table, ids
    if not {"word", "position"} <= set(tables):
        return
    casted = {kind: f"{ids}_int32" for kind, (_, ids) in tables.items()}
    for kind, (_, ids) in tables.items():
        editor.make("Cast", [ids], casted[kind], norm, to=INT32)
    segment = "segment" in tables
    inputs = [
        casted["word"],
        casted["segment"] if segment else "",
        tables["word"][0],
        tables["position"][0],
        tables["segment"][0] if segment else "",
        *norm.input[1:],
        "",
        casted["position"],
    ]
    editor.make(
        "EmbedLayerNormalization",
        inputs,
        norm.output[0],
        norm,
        domain=ORT,
        unused=[f"{norm.output[0]}_mask"],
        epsilon=editor.attributes(norm)["epsilon"],
    )
    editor.remove(norm)


def _summands(editor: Editor, name: str) -> list[str]:
    """The values that a value is the sum of."""
    added = editor.producer(name, "Add")
    return [s for part in added.input for s in _summands(editor, part)] if added else [name]
