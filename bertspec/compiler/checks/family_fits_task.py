"""E141: the task can be learned by a model of the base's family."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    spec = loaded.spec
    config = spec.model.base.known_config(root) or {}
    family, families = config.get("model_type"), spec.task.families
    if families and isinstance(family, str) and family not in families:
        yield finding(
            "E141",
            loaded,
            ("model", "base"),
            f"a model of `{family}` has no way to do {spec.task.type}",
            f"take a base of one of these: {', '.join(families)}",
        )
