"""E117: the learning rate is one at which a pretrained model learns (warning)."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec

HIGHEST_USUAL = 1e-3
"""Devlin et al. (2019) fine-tune BERT at 2e-5 to 5e-5."""


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    training, rate = loaded.spec.training, loaded.spec.training.learning_rate
    if training.lora or training.freeze == "all":
        return  # no weight that was pretrained changes at that rate
    if loaded.spec.model.base.type != "scratch" and rate > HIGHEST_USUAL:
        yield warning(
            "E117",
            loaded,
            ("training", "learning_rate"),
            f"{rate:g} is far above what pretrained BERT-likes are fine-tuned with",
            "1e-5 to 1e-4 is usual; a higher rate forgets what was pretrained",
        )
