"""TorchScript, through torch.jit.trace; run by torch.jit.load."""

import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.export import INPUTS, Export, Runner, example_inputs

if TYPE_CHECKING:
    import numpy as np
    import torch

_ALIGNMENT = 64
"""Offset of each entry's bytes, as PyTorch's own writer has it, so that tensors can be mapped."""


class TorchScript(Export):
    """One model.pt that PyTorch loads in Python or C++ without our code."""

    filename: ClassVar[str] = "model.pt"

    type: Literal["torchscript"] = Field(description="TorchScript, 32-bit floats.")

    def packages(self) -> tuple[str, ...]:
        return ()

    def write(self, module: "torch.nn.Module", path: Path) -> None:
        import torch

        buffer = io.BytesIO()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, example_inputs(), check_trace=False)
            torch.jit.save(traced, buffer)
        path.write_bytes(_without_debug_files(buffer.getvalue()))

    def runner(self, path: Path, threads: int) -> Runner:
        import torch

        torch.set_num_threads(threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path), map_location="cpu")

        def run(inputs: "Mapping[str, np.ndarray]") -> "np.ndarray":
            with torch.no_grad():
                return module(*(torch.from_numpy(inputs[name]) for name in INPUTS)).numpy()

        return run


def _without_debug_files(archive: bytes) -> bytes:
    """The archive without `.debug_pkl` entries, which hold the paths of this installation."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name.endswith(".debug_pkl"):
                continue
            entry = zipfile.ZipInfo(name)  # its date is 1980, whatever the clock says
            header = 30 + len(name.encode()) + 4
            padding = -(target.tell() + header) % _ALIGNMENT
            entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            new.writestr(entry, old.read(name))
    return target.getvalue()
