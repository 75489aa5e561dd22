"""E150: the layers that are frozen are there, and something is left to learn."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.catalog.bases.families import layers, shares_layers
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    spec, freeze = loaded.spec, loaded.spec.training.freeze
    if freeze is None:
        return
    place, config = ("training", "freeze"), spec.model.base.known_config(root) or {}
    count = layers(config)
    if isinstance(freeze, int) and shares_layers(config):
        yield finding(
            "E150",
            loaded,
            place,
            "the layers of `albert` share their weights, and cannot be frozen one by one",
            "write `embeddings` or `all`",
        )
    elif isinstance(freeze, int) and count is not None and freeze > count:
        yield finding(
            "E150",
            loaded,
            place,
            f"{freeze} layers are frozen, and the base has {count}",
            f"write {count} or less, or `all`",
        )
    elif freeze in ("all", count) and not spec.task.adds_head:
        yield finding(
            "E150",
            loaded,
            place,
            f"nothing is left to learn: {spec.task.type} adds no weights to the base",
            "freeze fewer layers",
        )
