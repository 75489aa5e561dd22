"""An ONNX graph without what tells of the machine and the tools, and not of the model."""

from typing import TYPE_CHECKING

from bertspec.catalog.onnx_graphs.editing import keep_used_opsets

if TYPE_CHECKING:
    import onnx


def canonical(model: "onnx.ModelProto") -> None:
    """Remove stack traces, paths, versions of tools, and operator sets that are not used.

    The version of the format is the oldest that has the operators, whatever tools would write.
    """
    from onnx.helper import find_min_ir_version_for

    keep_used_opsets(model)
    model.ir_version = find_min_ir_version_for(model.opset_import, ignore_unknown=True)
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
