"""OpenVINO IR, of the ONNX graph; run by OpenVINO's own runtime."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bertspec.catalog.export import PROTOBUF, Export, Runner, Shared
from bertspec.core.packages import of_extra

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bertspec.catalog.task import Task

OPSET = 18
"""Of the ONNX graph that OpenVINO reads: the default of the ONNX export, which then is made once.
"""

TELEMETRY = "openvino_telemetry"

_BUILD = re.compile(r'\n\s*<info name="OpenVINO Runtime" value="[^"]*" />')


class OpenVino(Export):
    """The graph, openvino_model.xml, and beside it the weights, openvino_model.bin.

    So Optimum Intel names them. Batch and sequence are dynamic.
    """

    largest = PROTOBUF

    type: Literal["openvino"] = Field(
        description="OpenVINO IR, 32-bit floats. Needs `bertspec[openvino]`."
    )

    @property
    def filename(self) -> str:
        return "openvino_model.xml"

    @classmethod
    def files(cls, path: Path) -> list[Path]:
        return [path, path.with_suffix(".bin")]

    def packages(self) -> tuple[str, ...]:
        return ("onnx", "onnx-ir", "onnxscript", "openvino")

    def write(self, module: "torch.nn.Module", path: Path, shared: Shared) -> None:
        from bertspec.catalog.onnx_graphs.canonical import canonical
        from bertspec.catalog.onnx_graphs.exported import exported

        openvino = load_openvino()
        graph = exported(module, OPSET, shared, fused=False)
        canonical(graph)
        model = openvino.Core().read_model(graph.SerializeToString(deterministic=True))
        _name_by_place(model)
        openvino.save_model(model, path, compress_to_fp16=False)
        path.write_text(_BUILD.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")

    def runner(self, path: Path, threads: int, task: "Task | None" = None) -> Runner:
        core = load_openvino().Core()
        options = {
            "INFERENCE_PRECISION_HINT": "f32",  # else in 16 bits where the processor has them
            "INFERENCE_NUM_THREADS": threads,
        }
        model = core.compile_model(core.read_model(path), "CPU", options)

        def run(inputs: "Mapping[str, np.ndarray]") -> "np.ndarray":
            return model(dict(inputs))["logits"]

        return run


def load_openvino() -> Any:
    """The package. Raises EnvironmentFault (E502) where it is not installed."""
    absent = TELEMETRY not in sys.modules
    if absent:  # it would tell its makers of each import; without the package it does not
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]
    try:
        with of_extra("openvino", ("openvino",), "the openvino export needs"):
            import openvino
    finally:
        if absent:
            del sys.modules[TELEMETRY]
    return openvino


def _name_by_place(model: Any) -> None:
    """Name the operators that OpenVINO has named itself: it counts all that the process made."""
    for place, operator in enumerate(model.get_ordered_ops()):
        kind = operator.get_type_name()
        if re.fullmatch(rf"{kind}_\d+", operator.get_friendly_name()):
            operator.set_friendly_name(f"{kind}_{place}")
