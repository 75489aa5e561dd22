"""What torch says of the processor and of GPUs."""

import warnings
from collections.abc import Iterator
from typing import Any

from bertspec.core.errors import reason
from bertspec.runtime.doctor.line import Line, State
from bertspec.runtime.hardware import architecture, bf16_units, capabilities


def processor() -> Iterator[Line]:
    """Lines on the instruction set, bf16 and GPUs; one line alone where torch cannot be asked."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            yield _broken(error)
            return
        text = "not known, nor whether there is bf16 or a GPU: torch is not installed"
        yield Line("machine", "ISA", State.NOTE, text, facts={"torch": None, "cpu": None})
        return
    except (ImportError, OSError) as error:  # OSError: a library that it loads is missing
        yield _broken(error)
        return
    yield _isa(torch)
    yield _bf16(torch)
    yield _gpus(torch)


def _broken(error: BaseException) -> Line:
    return Line(
        "machine",
        "ISA",
        State.WRONG,
        f"torch cannot be imported: {reason(error)}",
        "install it anew: pip install --force-reinstall torch",
        {"torch": None, "cpu": None},
    )


def _isa(torch: Any) -> Line:
    capability = torch.backends.cpu.get_cpu_capability()
    name = capabilities(torch).get("cpu_name")
    facts = {"torch": str(torch.__version__), "cpu": name, "capability": capability}
    text = f"torch computes with {capability}" + (f" on {name}" if name else "")
    if capability == "DEFAULT" and architecture(torch) == "x86_64":
        advice = "without AVX2 training is several times slower; a newer machine has it"
        return Line("machine", "ISA", State.NOTE, text, advice, facts)
    return Line("machine", "ISA", State.GOOD, text, facts=facts)


def _bf16(torch: Any) -> Line:
    units = bf16_units(torch)
    here = [name for name, is_here in units.items() if is_here]
    facts = {"hardware": bool(here) if units else None, "units": units}
    if here:
        text = f"in hardware ({' and '.join(here)})"
        return Line("machine", "bf16", State.GOOD, text, facts=facts)
    if not units:
        text = "torch does not tell whether the processor has it"
        return Line("machine", "bf16", State.NOTE, text, facts=facts)
    text = f"not in hardware (no {', no '.join(units)})"
    advice = "`training.precision: bf16` works all the same, and gains no speed"
    return Line("machine", "bf16", State.NOTE, text, advice, facts)


def _gpus(torch: Any) -> Line:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = [torch.cuda.get_device_properties(index) for index in range(count)]
    gpus = [{"name": gpu.name, "memory": gpu.total_memory} for gpu in found]
    mps = torch.backends.mps.is_available()
    if mps:
        gpus.append({"name": "Apple's, by MPS", "memory": None})
    facts = {"gpus": gpus}
    if mps and not count:
        text = "Apple's, which is not used: the stages compute on the processor"
        return Line("machine", "GPU", State.NOTE, text, facts=facts)
    if gpus:
        names = ", ".join(str(gpu["name"]) for gpu in gpus)
        text = f"{names}: for projects of which the lock has `device: cuda`"
        return Line("machine", "GPU", State.GOOD, text, facts=facts)
    if warned:  # such as of a driver that is too old
        text = f"none that torch can use: {warned[0].message}"
        return Line("machine", "GPU", State.NOTE, text, facts=facts)
    return Line("machine", "GPU", State.GOOD, "none that torch sees", facts=facts)
