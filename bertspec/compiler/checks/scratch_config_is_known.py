"""E112: a new model's config has the keys that its architecture needs."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    base = loaded.spec.model.base
    if base.type != "scratch":
        return
    config = base.known_config(_root) or {}
    if "model_type" not in config:
        yield finding(
            "E112",
            loaded,
            ("model", "base", "config"),
            "`config` has no `model_type`",
            "write the architecture's name in transformers, such as `model_type: bert`",
        )
    hidden, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if isinstance(hidden, int) and isinstance(heads, int) and heads > 0 and hidden % heads:
        yield finding(
            "E112",
            loaded,
            ("model", "base", "config", "hidden_size"),
            f"`hidden_size` {hidden} cannot be divided among {heads} attention heads",
            f"write a multiple of {heads}",
        )
