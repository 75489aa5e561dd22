"""E145: a further seed is another one than `training.seed`, and stands once."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    training = loaded.spec.training
    for index, seed in enumerate(training.seeds):
        if seed == training.seed:
            message = f"{seed} is `training.seed`, with which the model is trained already"
        elif seed in training.seeds[:index]:
            message = f"the seed {seed} stands here twice"
        else:
            continue
        yield finding(
            "E145",
            loaded,
            ("training", "seeds", index),
            message,
            "`seeds` are those beside `seed`: each is another one",
        )
