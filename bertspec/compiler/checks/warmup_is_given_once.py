"""E143: the warmup is so many steps or a share of all steps, not both."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    schedule = loaded.spec.training.schedule
    # Here and not in the model: params.yaml has every default written out, and so always a ratio.
    if schedule.warmup_steps is not None and "warmup_ratio" in schedule.model_fields_set:
        yield finding(
            "E143",
            loaded,
            ("training", "schedule", "warmup_steps"),
            "the warmup is given twice, as `warmup_steps` and as `warmup_ratio`",
            "leave out one of the two",
        )
