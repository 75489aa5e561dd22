"""E146: transformers has gradient checkpointing for the base's family."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.catalog.bases.families import family
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    spec = loaded.spec
    if not spec.training.execution.gradient_checkpointing:
        return
    known = family(model_type := (spec.model.base.known_config(root) or {}).get("model_type"))
    if known and not known.gradient_checkpointing:
        yield finding(
            "E146",
            loaded,
            ("training", "execution", "gradient_checkpointing"),
            f"transformers has no gradient checkpointing for `{model_type}`",
            "remove it; `training.batch.accumulate` saves memory with any base",
        )
