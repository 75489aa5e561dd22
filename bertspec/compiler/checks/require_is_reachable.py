"""E121: what is required can be reached: metrics lie in [0, 1], but for those of _RANGES."""

from collections.abc import Iterator
from math import inf
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.params.evaluate import parted
from bertspec.spec.load import LoadedSpec

_RANGES = {
    **dict.fromkeys(("loss", "mse", "rmse", "mae"), (0.0, inf)),
    **dict.fromkeys(("matthews", "pearson", "spearman"), (-1.0, 1.0)),
    "perplexity": (1.0, inf),
    "r2": (-inf, 1.0),
}


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    for name, bound in loaded.spec.evaluation.require.items():
        operator, limit = parted(bound)
        metric = name.rpartition(".")[2]  # of a class's too
        low, high = _RANGES.get(metric, (0.0, 1.0))
        reachable = {
            ">=": limit <= high,
            ">": limit < high,
            "<=": limit >= low,
            "<": limit > low,
        }[operator]
        if not reachable:
            yield finding(
                "E121",
                loaded,
                ("evaluation", "require", name),
                f"`{name} {bound}` can never hold: it lies between {low:g} and {high:g}",
                "write a bound inside; 80 % is 0.80",
            )
