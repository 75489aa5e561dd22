"""E116: early stopping has a chance to stop (warning)."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    training = loaded.spec.training
    stopping, every, steps = training.early_stopping, training.validate_every, training.max_steps
    measured, name = training.epochs, "epochs"
    if every is not None:
        # Without a bound, how many steps there are is only known with the data.
        measured, name = math.ceil(steps / every) if steps else sys.maxsize, "measurements"
    if stopping is not None and stopping.patience >= measured:
        yield warning(
            "E116",
            loaded,
            ("training", "early_stopping"),
            f"patience {stopping.patience} never runs out in {measured} {name}",
            f"less patience, or more {name}",
        )
