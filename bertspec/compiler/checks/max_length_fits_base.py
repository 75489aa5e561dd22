"""E111: texts are not longer than the base has positions for."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.catalog.bases.families import positions
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    base = loaded.spec.model.base
    most = positions(base.known_config(root) or {})
    wanted = loaded.spec.tokenization.max_length
    if most is not None and wanted > most:
        more = ", or more `max_position_embeddings` in `model.base.config`"
        is_new = base.type == "scratch"
        yield finding(
            "E111",
            loaded,
            ("tokenization", "max_length"),
            f"`max_length` is {wanted}, and the base has {most} positions",
            f"write at most {most}{more if is_new else ''}",
        )
