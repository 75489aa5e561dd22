"""How often the interval of `bertspec compare` over seeds holds the true difference, which is 0.

A metric is normal: the rows make a standard deviation of 1, and the seeds one that is given for
each side. Beside the coverage stands the width, in units of what the rows make.
"""

import time
from collections.abc import Sequence

import numpy as np

from bertspec.runtime.comparing.paired import of_seeds

RUNS, DRAWS, LEVEL = 2000, 400, 0.95
SEEDS = ((1, 2), (2, 2), (3, 3), (5, 5), (10, 10), (2, 8))
SDS = ((0, 0), (1, 1), (2, 2), (4, 4), (1, 4), (4, 1))


def coverage(
    seeds: Sequence[int], sds: Sequence[float], runs: int = RUNS, draws: int = DRAWS
) -> tuple[float, float]:
    """Share of the intervals that hold 0, and their median width."""
    random = np.random.default_rng(17)
    tail = (1 - LEVEL) / 2
    bounds = []
    for _ in range(runs):
        whole = [
            random.normal(0, sd, n) + random.normal(0, 1, n)
            for n, sd in zip(seeds, sds, strict=True)
        ]
        drawn = [side + random.normal(0, 1, (draws, len(side))) for side in whole]
        values = drawn[1].mean(1) - drawn[0].mean(1) + of_seeds(whole, drawn, random)
        bounds.append(np.quantile(values, [tail, 1 - tail]))
    low, high = np.array(bounds).T
    return float(((low <= 0) & (high >= 0)).mean()), float(np.median(high - low))


def main() -> None:
    start = time.perf_counter()
    print(f"{'seeds':10}" + "".join(f"{'sd ' + ', '.join(map(str, sds)):>16}" for sds in SDS))
    for seeds in SEEDS:
        found = [coverage(seeds, sds) for sds in SDS]
        cells = (f"{share:.3f} ({width:.1f})" for share, width in found)
        print(f"{', '.join(map(str, seeds)):10}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
