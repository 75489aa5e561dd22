"""ONNX, through torch.onnx.export; run by onnxruntime."""

import io
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.export import INPUTS, Export, Runner, example_inputs

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import torch


class Onnx(Export):
    """One model.onnx with its weights inside; batch and sequence are dynamic."""

    filename: ClassVar[str] = "model.onnx"

    type: Literal["onnx"] = Field(description="ONNX, 32-bit floats.")
    opset: int = Field(default=18, ge=18, le=23, description="ONNX operator set version.")

    def packages(self) -> tuple[str, ...]:
        # onnx-ir is what torch.onnx.export builds the graph with.
        return ("onnx", "onnx-ir", "onnxruntime", "onnxscript")

    def write(self, module: "torch.nn.Module", path: Path) -> None:
        import onnx
        import torch

        axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
        noise = io.StringIO()
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(noise), redirect_stderr(noise):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                example_inputs(),
                dynamo=True,
                input_names=list(INPUTS),
                output_names=["logits"],
                dynamic_shapes=dict.fromkeys(INPUTS, axes),
                opset_version=self.opset,
                external_data=False,
                verbose=False,
            )
        if program is None:
            raise ValueError("torch.onnx.export gave no program")
        model = program.model_proto
        _strip(model)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString(deterministic=True))

    def runner(self, path: Path, threads: int) -> Runner:
        session = open_session(path, threads)

        def run(inputs: "Mapping[str, np.ndarray]") -> "np.ndarray":
            return session.run(["logits"], dict(inputs))[0]

        return run


def open_session(path: Path, threads: int | None = None) -> Any:
    """An onnxruntime session on the CPU, which says only errors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _strip(model: "onnx.ModelProto") -> None:
    """Remove what tells of the machine and not of the model: stack traces, paths, versions."""
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
