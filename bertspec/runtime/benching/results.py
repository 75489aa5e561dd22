"""What the measured times say, as numbers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from statistics import median
from typing import Any

from bertspec.core.packages import available_cores, public_version
from bertspec.runtime.benching.formats import Absent
from bertspec.runtime.benching.measure import Measured, Plan, Size

RUNTIMES = ("onnxruntime", "openvino", "torch", "transformers")

BUSY = 0.5
"""Load from which on there may be other work; what has just ended counts in it, too."""


@dataclass(frozen=True)
class Cell:
    """A format at one size."""

    runs: int
    p50: float
    p99: float
    """Seconds of a run."""
    tokens_per_second: float
    ratios: Sequence[float]
    """Of each round, how many times faster than the reference its median run is."""

    @property
    def ratio(self) -> float:
        return median(self.ratios)


def cell(one: Measured, reference: Measured, size: Size) -> Cell:
    """What its rounds say, beside those of the reference."""
    import numpy as np

    rounds = one.times[size]
    times = np.concatenate(rounds)
    p50, p99 = np.percentile(times, [50, 99]).tolist()
    pairs = zip(reference.times[size], rounds, strict=True)
    ratios = [median(other) / median(own) for other, own in pairs]
    speed = size.batch * size.tokens / float(times.mean())
    return Cell(len(times), p50, p99, speed, ratios)


def load_average() -> float | None:
    """Processes that ran or waited to in the last minute; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


@dataclass(frozen=True)
class Results:
    """All that `bertspec bench` found."""

    model: str
    plan: Plan
    load: float | None
    """The machine's, before it began."""
    measured: Sequence[Measured]
    """One at least."""
    absent: Sequence[Absent]

    @property
    def reference(self) -> Measured:
        """PyTorch, or the first export where it is not measured."""
        return self.measured[0]

    @property
    def is_busy(self) -> bool:
        return self.load is not None and self.load > BUSY

    def cells(self, size: Size) -> list[tuple[Measured, Cell]]:
        return [(one, cell(one, self.reference, size)) for one in self.measured]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "model": self.model,
            "reference": self.reference.format.name,
            "threads": self.plan.threads,
            "rounds": self.plan.rounds,
            "seconds": self.plan.seconds,
            "machine": {"cores": available_cores(), "load": self.load, "versions": _versions()},
            "formats": [self._format_as_json(one) for one in self.measured],
            "not_measured": [{"name": each.name, "why": each.why} for each in self.absent],
        }

    def _format_as_json(self, one: Measured) -> dict[str, Any]:
        cells = {size: cell(one, self.reference, size) for size in self.plan.sizes}
        return {
            "name": one.format.name,
            "path": str(one.format.path),
            "bytes": one.format.size,
            "load_seconds": one.load,
            "peak_bytes": one.peak,
            "sizes": [_cell_as_json(size, found) for size, found in cells.items()],
        }


def _cell_as_json(size: Size, found: Cell) -> dict[str, Any]:
    ratio = {"median": found.ratio, "low": min(found.ratios), "high": max(found.ratios)}
    return {
        "batch": size.batch, "tokens": size.tokens, "runs": found.runs,
        "p50_ms": 1000 * found.p50, "p99_ms": 1000 * found.p99,
        "tokens_per_second": found.tokens_per_second, "ratio": ratio,
    }  # fmt: skip


def _versions() -> dict[str, str]:
    found = {}
    for name in RUNTIMES:
        try:
            found[name] = public_version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
