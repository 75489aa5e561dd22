"""TorchScript, through torch.jit.trace; run by torch.jit.load."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bertspec.catalog.export import (
    Export,
    Runner,
    Shared,
    example_inputs,
    exporting,
    torch_runner,
)
from bertspec.catalog.torch_archive import rewritten

if TYPE_CHECKING:
    import torch

    from bertspec.catalog.task import Task


class TorchScript(Export):
    """One model.pt that PyTorch loads in Python or C++ without our code."""

    type: Literal["torchscript"] = Field(description="TorchScript, 32-bit floats.")

    @property
    def filename(self) -> str:
        return "model.pt"

    def packages(self) -> tuple[str, ...]:
        return ()

    def write(self, module: "torch.nn.Module", path: Path, shared: Shared) -> None:
        import torch

        buffer = io.BytesIO()
        with torch.no_grad(), warnings.catch_warnings(), exporting():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, example_inputs(), check_trace=False)
            torch.jit.save(traced, buffer)
        path.write_bytes(without_paths(buffer.getvalue()))

    def runner(self, path: Path, threads: int, task: "Task | None" = None) -> Runner:
        import torch

        torch.set_num_threads(threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path), map_location="cpu")
        return torch_runner(lambda tensors: module(*tensors.values()))


def without_paths(archive: bytes) -> bytes:
    """The archive without the paths of this installation, which are in `.debug_pkl` entries."""
    return rewritten(
        archive, lambda name, content: None if name.endswith(".debug_pkl") else content
    )
