"""How fast this machine multiplies matrices: the bound of what training can reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from bertspec.runtime.doctor.line import Line, State

SIZE = {"cpu": 2048, "cuda": 8192}
"""Rows and columns: large enough that the device computes and does not wait for memory."""
FEWEST = 3
"""Products that are measured, however slow the machine."""


@dataclass(frozen=True)
class Measured:
    """The speed of one precision."""

    precision: str
    size: int
    gflops: float
    """10^9 floating-point operations a second: 2 n^3 of a product, by its median time."""
    repeats: int


def measure(precision: str, threads: int, seconds: float, device: str = "cpu") -> Measured:
    """Multiply square matrices of fp32 or bf16 with torch on a device for about `seconds`.

    The first product is not counted: libraries choose a kernel in it.
    """
    import torch

    size, before = SIZE[device], torch.get_num_threads()
    torch.set_num_threads(threads)

    def multiply() -> None:
        torch.mm(left, right, out=product)
        if device == "cuda":
            torch.cuda.synchronize()

    try:
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        left, right = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
        product = torch.empty_like(left)
        multiply()
        times: list[float] = []
        end = perf_counter() + seconds
        while len(times) < FEWEST or perf_counter() < end:
            begin = perf_counter()
            multiply()
            times.append(perf_counter() - begin)
    finally:
        torch.set_num_threads(before)
    return Measured(precision, size, 2 * size**3 / median(times) / 1e9, len(times))


def speeds(
    precisions: Sequence[str], threads: int, seconds: float, device: str = "cpu"
) -> Iterator[Line]:
    """A line on each precision, in `seconds` for all of them."""
    for precision in precisions:
        found = measure(precision, threads, seconds / len(precisions), device)
        where = f"threads: {threads}" if device == "cpu" else "on the GPU"
        yield Line(
            "speed",
            f"GEMM {precision}",
            State.GOOD,
            f"{found.gflops:,.0f} GFLOP/s: median of {found.repeats} products of "
            f"{found.size} x {found.size} matrices, {where}",
            facts={
                "precision": precision, "gflops": found.gflops, "repeats": found.repeats,
                "size": found.size, "threads": threads, "device": device,
            },
        )  # fmt: skip
