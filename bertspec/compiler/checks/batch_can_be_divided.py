"""E144: the examples of a step can be divided into parts without another result."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task, batch = loaded.spec.task, loaded.spec.training.batch
    place = ("training", "batch", "accumulate")
    processes = loaded.spec.training.execution.processes
    asked = {
        "accumulate": batch.accumulate > 1,
        "tokens": batch.tokens is not None,
        "shards": batch.shards > 1,
    }
    if not task.loss_is_a_sum and any(asked.values()):
        yield finding(
            "E144",
            loaded,
            ("training", "batch", next(name for name, is_asked in asked.items() if is_asked)),
            "the loss compares the examples of a step with one another, so parts of it would "
            "train for something else",
            f"remove it, and lower `examples` from {batch.examples} if memory is short",
        )
    elif batch.accumulate > batch.examples:
        yield finding(
            "E144",
            loaded,
            place,
            f"{batch.examples} examples cannot be divided into {batch.accumulate} parts",
            f"write {batch.examples} or less; `examples` are those of the whole step",
        )
    elif batch.shards * batch.accumulate > batch.examples:
        yield finding(
            "E144",
            loaded,
            ("training", "batch", "shards"),
            f"{batch.examples} examples cannot be divided into {batch.shards} shards"
            + (f" of {batch.accumulate} parts each" if batch.accumulate > 1 else ""),
            "lower it, or give a step more `examples`, which are those of all shards together",
        )
    if processes > batch.shards:
        yield finding(
            "E144",
            loaded,
            ("training", "execution", "processes"),
            f"a step of {batch.shards} shard{'s' if batch.shards > 1 else ''} cannot be divided "
            f"among {processes} processes",
            f"write {batch.shards} or less"
            + (
                f", or `training.batch.shards: {processes}`, which trains another model"
                if task.loss_is_a_sum
                else ""
            ),
        )
