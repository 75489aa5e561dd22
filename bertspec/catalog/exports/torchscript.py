"""TorchScript, through torch.jit.trace; run by torch.jit.load."""

import hashlib
import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bertspec.catalog.export import INPUTS, Export, Runner, Shared, example_inputs

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bertspec.catalog.task import Task

_ALIGNMENT = 64
"""Offset of each entry's bytes, as PyTorch's own writer has it, so that tensors can be mapped."""


_ID = "/.data/serialization_id"
_ID_DIGITS = 40


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
        with torch.no_grad(), warnings.catch_warnings():
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

        def run(inputs: "Mapping[str, np.ndarray]") -> "np.ndarray":
            with torch.no_grad():
                return module(*(torch.from_numpy(inputs[name]) for name in INPUTS)).numpy()

        return run


def without_paths(archive: bytes) -> bytes:
    """The archive without the paths of this installation.

    They are in `.debug_pkl` entries, which are left out, and so in PyTorch's hash of all that it
    wrote, which becomes one of what is left.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        names = [name for name in old.namelist() if not name.endswith(".debug_pkl")]
        contents = {name: old.read(name) for name in names}
    hashed = hashlib.sha256()
    for name, content in contents.items():
        if not name.endswith(_ID):
            hashed.update(content)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name)  # its date is 1980, whatever the clock says
            header = 30 + len(name.encode()) + 4
            padding = -(target.tell() + header) % _ALIGNMENT
            entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            new.writestr(entry, _digits(hashed) if name.endswith(_ID) else content)
    return target.getvalue()


def _digits(hashed: "hashlib._Hash") -> bytes:
    """A hash as PyTorch writes one: in decimal digits."""
    return f"{int(hashed.hexdigest(), 16) % 10**_ID_DIGITS:0{_ID_DIGITS}}".encode()
