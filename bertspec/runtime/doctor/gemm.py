"""How fast this machine multiplies matrices: the bound of what training can reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from bertspec.runtime.doctor.line import Line, State

SIZE = 2048
"""Rows and columns: large enough that the processor computes and does not wait for memory."""
FEWEST = 3
"""Products that are measured, however slow the machine."""


@dataclass(frozen=True)
class Measured:
    """The speed of one precision."""

    precision: str
    gflops: float
    """10^9 floating-point operations a second: 2 n^3 of a product, by its median time."""
    repeats: int


def measure(precision: str, threads: int, seconds: float) -> Measured:
    """Multiply square matrices of fp32 or bf16 with torch for about `seconds`.

    The first product is not counted: libraries choose a kernel in it.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        left, right = (torch.rand(SIZE, SIZE).to(dtype) for _ in range(2))
        product = torch.empty(SIZE, SIZE, dtype=dtype)
        torch.mm(left, right, out=product)
        times: list[float] = []
        end = perf_counter() + seconds
        while len(times) < FEWEST or perf_counter() < end:
            begin = perf_counter()
            torch.mm(left, right, out=product)
            times.append(perf_counter() - begin)
    finally:
        torch.set_num_threads(before)
    return Measured(precision, 2 * SIZE**3 / median(times) / 1e9, len(times))


def speeds(precisions: Sequence[str], threads: int, seconds: float) -> Iterator[Line]:
    """A line on each precision, in `seconds` for all of them."""
    for precision in precisions:
        found = measure(precision, threads, seconds / len(precisions))
        yield Line(
            "speed",
            f"GEMM {precision}",
            State.GOOD,
            f"{found.gflops:,.0f} GFLOP/s: median of {found.repeats} products of "
            f"{SIZE} x {SIZE} matrices, threads: {threads}",
            facts={
                "precision": precision, "gflops": found.gflops, "repeats": found.repeats,
                "size": SIZE, "threads": threads,
            },
        )  # fmt: skip
