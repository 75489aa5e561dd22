"""E113: class weights name the task's labels, all of them."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    weights = loaded.spec.training.class_weights
    labels = loaded.spec.task.known_labels()
    if not isinstance(weights, dict) or not labels:
        return
    place = ("training", "class_weights")
    for name in weights:
        if name not in labels:
            yield finding(
                "E113",
                loaded,
                (*place, name),
                f"there is no label `{name}`",
                did_you_mean(name, labels),
                key=True,
                replacement=nearest(name, labels),
            )
    missing = [label for label in labels if label not in weights]
    if missing:
        yield finding(
            "E113",
            loaded,
            place,
            f"no weight for {', '.join(f'`{m}`' for m in missing)}",
            "give each label a weight; 1.0 changes nothing",
        )
