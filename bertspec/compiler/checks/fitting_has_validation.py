"""E142: what is fitted on validation needs a validation split."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.early_stopping_has_validation import has_validation
from bertspec.compiler.checks.finding import finding, warning
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    if has_validation(loaded):
        return
    share = "give validation a share in `data.split`"
    for option, instead in loaded.spec.task.fitted().items():
        place, message = ("task", option), "is fitted on the validation split, and there is none"
        if instead is None:
            yield finding("E142", loaded, place, f"`{option}` {message}", share)
        else:
            yield warning(
                "E142",
                loaded,
                place,
                f"`{option}: tuned` {message}: {instead} holds instead",
                f"{share}, or write a number",
            )
