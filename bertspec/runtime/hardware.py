"""What torch says of the machine that its results depend on: instruction set, BLAS, GPU."""

import re
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from bertspec.pipeline.lock import Hardware

BF16_UNITS: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("avx512_bf16", "amx_bf16"),
    "arm64": ("bf16", "sve_bf16"),
}
"""Of each architecture: the extensions that multiply bf16, as `torch.cpu.get_capabilities` has
them.
"""
_ALIASES = {"aarch64": "arm64", "amd64": "x86_64", "x86": "x86_64"}
_BLAS_NAMES = {"open": "openblas"}


def hardware_class(device: str) -> Hardware:
    """That of this machine, for models that are computed on the device. Imports torch."""
    import torch

    units = [name for name, is_here in bf16_units(torch).items() if is_here]
    isa = "+".join([torch.backends.cpu.get_cpu_capability().lower(), *units])
    found = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    blas = found[1].lower() if found else "unknown"
    gpu = None
    if device == "cuda":
        with warnings.catch_warnings():  # such as of a driver that is too old
            warnings.simplefilter("ignore")
            gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return Hardware(isa=isa, blas=_BLAS_NAMES.get(blas, blas), gpu=gpu)


def other_class(locked: Hardware, device: str) -> Hardware | None:
    """That of this machine where it is another than the locked one. Imports torch."""
    here = hardware_class(device)
    return None if is_same_class(locked, here, device) else here


def is_same_class(locked: Hardware, here: Hardware, device: str) -> bool:
    """Whether what is computed on the device has the same bits on both."""
    # What is computed on the processor does not depend on the GPU.
    on_processor = {"gpu": None} if device == "cpu" else {}
    return here.model_copy(update=on_processor) == locked.model_copy(update=on_processor)


def tell_of_another_class(stage: str, locked: Hardware, device: str) -> None:
    """Say in one line that the bits of a stage may be others than those of the lock's machine."""
    if here := other_class(locked, device):
        sys.stderr.write(
            f"{stage}: the lock is of another class of machines ({locked}) than this one ({here}), "
            "so the result may differ in its last bits\n"
        )


def has_bf16(device: str) -> bool | None:
    """Whether the device multiplies bf16 itself; None when torch cannot tell. Imports torch."""
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    units = bf16_units(torch)
    return any(units.values()) if units else None


def bf16_units(torch: Any) -> dict[str, bool]:
    """The extensions that multiply bf16, and whether they are here; empty when torch is silent."""
    known = capabilities(torch)
    names = BF16_UNITS.get(architecture(torch), ())
    return {name: bool(known[name]) for name in names if name in known}


def capabilities(torch: Any) -> Mapping[str, Any]:
    """What torch knows of the processor."""
    # A torch of another version than ours may not have it.
    get = getattr(torch.cpu, "get_capabilities", None)
    return get() if get is not None else {}


def architecture(torch: Any) -> str:
    """`x86_64`, `arm64`, or as torch calls another one."""
    name = str(capabilities(torch).get("architecture", "")).lower()
    return _ALIASES.get(name, name)
