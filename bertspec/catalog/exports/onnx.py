"""ONNX, through torch.onnx.export; run by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bertspec.catalog.export import PROTOBUF, Export, Runner, Shared

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bertspec.catalog.task import Task

FILES = {
    "none": "model.onnx",
    "fp16": "model_fp16.onnx",
    "int8": "model_quantized.onnx",
    "int8-static": "model_int8.onnx",
}
"""The file of each `quantize`, by the names that Optimum and transformers.js look for."""


class Onnx(Export):
    """One .onnx file with its weights inside; batch and sequence are dynamic."""

    largest = PROTOBUF

    type: Literal["onnx"] = Field(description="ONNX, 32-bit floats where `quantize` is `none`.")
    opset: int = Field(default=18, ge=18, le=23, description="ONNX operator set version.")
    quantize: Literal["none", "fp16", "int8", "int8-static"] = Field(
        default="none",
        description="Smaller numbers: `fp16` has 16-bit floats, for GPUs, in half the size; `int8` "
        "has 8-bit weights in a quarter of the size, and multiplies in 8 bits, in ranges found in "
        "each run; `int8-static` in ranges that rows of the training split have shown. Each is a "
        "file of its own (model_fp16.onnx, model_quantized.onnx, model_int8.onnx), and can stand "
        "beside the others.",
        json_schema_extra={"since": 2},
    )
    calibration_rows: int = Field(
        default=256,
        ge=1,
        description="With `int8-static`: how many sequences of the training split, evenly spaced, "
        "show the ranges.",
        json_schema_extra={"since": 2},
    )
    optimize: bool = Field(
        default=False,
        description="Attention and embeddings as operators of onnxruntime's own, which is faster "
        "there, the more so the longer the text; no other runtime loads the file.",
        json_schema_extra={"since": 2},
    )
    max_metric_delta: float = Field(
        default=0.005,
        ge=0,
        description="With `quantize`, in place of `tolerance`: by how much the task's headline "
        "metric may be worse on the test split than PyTorch's. The stage fails beyond it, and "
        "names the rows in which something else is predicted.",
        json_schema_extra={"since": 2},
    )

    @property
    def name(self) -> str:
        return self.type if self.quantize == "none" else f"{self.type}-{self.quantize}"

    @property
    def filename(self) -> str:
        return FILES[self.quantize]

    @property
    def metric_bound(self) -> float | None:
        return None if self.quantize == "none" else self.max_metric_delta

    @property
    def alone(self) -> bool:
        return self.quantize == "int8"  # a range is of all numbers of a run

    def packages(self) -> tuple[str, ...]:
        # onnx-ir is what torch.onnx.export builds the graph with.
        return ("onnx", "onnx-ir", "onnxruntime", "onnxscript")

    def write(self, module: "torch.nn.Module", path: Path, shared: Shared) -> None:
        import onnx

        from bertspec.catalog.onnx_graphs.canonical import canonical
        from bertspec.catalog.onnx_graphs.embeddings import fuse_embeddings
        from bertspec.catalog.onnx_graphs.exported import exported
        from bertspec.catalog.onnx_graphs.norms import keep_sums_apart
        from bertspec.catalog.onnx_graphs.self_attention import fuse_projections

        model = exported(module, self.opset, shared, fused=self.optimize)
        # The tool for ranges of examples does not know the operator, and fp16 is for GPUs.
        if self.optimize and self.quantize in ("none", "int8"):
            fuse_projections(model)
        if self.optimize and "int8" not in self.quantize:  # which makes embeddings smaller instead
            fuse_embeddings(model)
        if self.quantize == "int8":
            from bertspec.catalog.onnx_graphs.int8 import dynamic_int8

            model = dynamic_int8(model)
        elif self.quantize == "int8-static":
            from bertspec.catalog.onnx_graphs.static_int8 import static_int8

            batches = shared.training_batches(self.calibration_rows)
            model = static_int8(model, batches, shared.threads)
        elif self.quantize == "fp16":
            from bertspec.catalog.onnx_graphs.fp16 import fp16

            model = fp16(model)
        if "int8" in self.quantize or (self.optimize and self.quantize == "none"):
            keep_sums_apart(model)  # these are for processors
        canonical(model)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString(deterministic=True))

    def runner(self, path: Path, threads: int, task: "Task | None" = None) -> Runner:
        from bertspec.catalog.onnx_graphs.session import open_session

        session = open_session(path, threads)

        def run(inputs: "Mapping[str, np.ndarray]") -> "np.ndarray":
            return session.run(["logits"], dict(inputs))[0]

        return run
