"""E115: early stopping, a best metric and measuring every few steps need a validation split."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def has_validation(loaded: LoadedSpec) -> bool:
    """Whether there may be validation rows."""
    data = loaded.spec.data
    return data.split.has_validation() or "validation" in data.source.given_splits()


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    training = loaded.spec.training
    if has_validation(loaded):
        return
    if training.early_stopping is not None:
        yield finding(
            "E115",
            loaded,
            ("training", "early_stopping"),
            "early stopping looks at the validation split, and there is none",
            "give validation a share in `data.split`",
        )
    if training.validate_every is not None:
        yield finding(
            "E115",
            loaded,
            ("training", "validate_every"),
            "the model is measured on the validation split, and there is none",
            "give validation a share in `data.split`",
        )
    if training.metric_for_best_model != "loss":
        yield finding(
            "E115",
            loaded,
            ("training", "metric_for_best_model"),
            "the best model is chosen on the validation split, and there is none",
            "give validation a share in `data.split`",
        )
