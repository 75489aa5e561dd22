"""seeds: how far the metrics of the same model differ between seeds."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from bertspec.catalog.source import SPLITS
from bertspec.core.errors import InputError
from bertspec.pipeline.params.seeds import SeedsParams
from bertspec.runtime.context import Context


def run(context: Context[SeedsParams]) -> None:
    """Write seeds.json: of each metric of each split its mean, standard deviation and bounds.

    Raises InputError (E203) where an experiment gave the spec's own model a further one's seed.
    """
    seed = context.params.seed
    if f"metrics_{seed}" in context.inputs:
        raise InputError.of(
            "E203",
            f"`training.seed` is {seed}, which is also one of `training.seeds`: the same model "
            "would count twice",
            "set another `training.seed`",
        )
    measured = [json.loads(p.read_text(encoding="utf-8")) for p in context.inputs.values()]
    text = json.dumps(spread(measured), indent=2, ensure_ascii=False, allow_nan=False)
    context.outputs["seeds"].write_text(text + "\n", encoding="utf-8")


def spread(measured: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """By split and metric: `mean`, `std`, `min` and `max` over models, and the number of `seeds`.

    `measured` has for each model what its metrics.json has. A metric is that of the models which
    define it; `std` is the sample's (n - 1), and one model alone has none.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for split in SPLITS:
        models = [metrics[split] for metrics in measured if split in metrics]
        for name in dict.fromkeys(name for metrics in models for name in metrics):
            values = [metrics[name] for metrics in models if name in metrics]
            found.setdefault(split, {})[name] = {
                "mean": mean(values),
                **({"std": stdev(values)} if len(values) > 1 else {}),
                "min": min(values),
                "max": max(values),
                "seeds": len(values),
            }
    return found
