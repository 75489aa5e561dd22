"""Embeddings and their normalisation as one operator of onnxruntime: EmbedLayerNormalization."""

from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.editing import INT32, ORT, Editor

if TYPE_CHECKING:
    import onnx


_KINDS = {"input_ids": "word", "token_type_ids": "segment"}
"""What is embedded by an input of the model; by anything else it is a position."""


def fuse_embeddings(model: "onnx.ModelProto") -> None:
    """Where a sum of embeddings by token, place and (in some families) segment is normalised.

    The operator takes ids that are (batch, sequence), or (1, sequence) for positions.
    """
    editor = Editor(model)
    for node in editor.nodes:
        of_rows = editor.producer(node.output[0], "LayerNormalization", axis=-1)
        if of_rows and len(node.input) == 3:  # noqa: PLR2004
            _fuse(editor, node)
    editor.finish()


def _fuse(editor: Editor, norm: "onnx.NodeProto") -> None:
    tables: dict[str, tuple[str, str]] = {}
    for name in _summands(editor, norm.input[0]):
        gather = editor.producer(name, "Gather", axis=0)
        if gather is None or gather.input[0] not in editor.weights:
            return
        table, ids = gather.input
        kind = _KINDS.get(editor.unshaped(ids), "position")
        rows_and_columns = editor.shape(ids)
        if kind in tables or len(rows_and_columns) != 2 or rows_and_columns[1] == 1:  # noqa: PLR2004
            return
        tables[kind] = table, ids
    if not {"word", "position"} <= set(tables):
        return
    casted = {kind: f"{ids}_int32" for kind, (_, ids) in tables.items()}
    for kind, (_, ids) in tables.items():
        if not editor.has(casted[kind]):
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
