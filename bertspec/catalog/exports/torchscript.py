"""TorchScript, through torch.jit.trace; run by torch.jit.load."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.export import Export, Runner

if TYPE_CHECKING:
    import torch


class TorchScript(Export):
    """One model.pt that PyTorch loads in Python or C++ without our code."""

    filename: ClassVar[str] = "model.pt"

    type: Literal["torchscript"] = Field(description="TorchScript, 32-bit floats.")

    def packages(self) -> tuple[str, ...]:
        return ()

    def write(self, module: "torch.nn.Module", path: Path) -> None:
        raise NotImplementedError

    def runner(self, path: Path, threads: int) -> Runner:
        raise NotImplementedError
