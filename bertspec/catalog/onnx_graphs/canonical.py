"""An ONNX graph without what tells of the machine and the tools, and not of the model."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def canonical(model: "onnx.ModelProto") -> None:
    """Remove stack traces, paths, and versions of tools."""
    model.producer_name, model.producer_version = "bertspec", ""
    model.doc_string = ""
    del model.metadata_props[:]
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        values = [graph.value_info]
        if graph is model.graph:
            values += [graph.input, graph.output, graph.initializer]
        for items in values:
            for item in items:
                item.doc_string = ""
                del item.metadata_props[:]
