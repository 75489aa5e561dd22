"""ONNX, through torch.onnx.export; run by onnxruntime."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.export import Export, Runner

if TYPE_CHECKING:
    import torch


class Onnx(Export):
    """One model.onnx with its weights inside; batch and sequence are dynamic."""

    filename: ClassVar[str] = "model.onnx"

    type: Literal["onnx"] = Field(description="ONNX, 32-bit floats.")
    opset: int = Field(default=18, ge=18, le=23, description="ONNX operator set version.")

    def packages(self) -> tuple[str, ...]:
        return ("onnx", "onnxruntime", "onnxscript")

    def write(self, module: "torch.nn.Module", path: Path) -> None:
        raise NotImplementedError

    def runner(self, path: Path, threads: int) -> Runner:
        raise NotImplementedError
