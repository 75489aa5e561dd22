"""E111: texts are not longer than the base has positions for."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    config = loaded.spec.model.base.known_config(root) or {}
    positions = config.get("max_position_embeddings")
    # RoBERTa-likes count positions from the padding id, and so have two fewer than they say.
    offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert") else 0
    wanted = loaded.spec.tokenization.max_length
    if isinstance(positions, int) and wanted > positions - offset:
        yield finding(
            "E111",
            loaded,
            ("tokenization", "max_length"),
            f"`max_length` is {wanted}, and the base has {positions - offset} positions",
            f"write at most {positions - offset}",
        )
