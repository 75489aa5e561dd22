"""The table of exports."""

from typing import TYPE_CHECKING

from bertspec.catalog.export import Export
from bertspec.core.kinds import Kinds

EXPORTS: Kinds[Export] = Kinds(
    "bertspec.catalog.exports",
    {
        "onnx": "onnx:Onnx",
        "torchscript": "torchscript:TorchScript",
        "torch-export": "torch_export:TorchExport",
        "transformers": "transformers:Transformers",
        "openvino": "openvino:OpenVino",
    },
)

if TYPE_CHECKING:
    AnyExport = Export
else:
    AnyExport = EXPORTS
