"""E135: the task can do with long texts what is asked, and windows have room to move."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.catalog.long_documents import Windows
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    task, tokenization = loaded.spec.task, loaded.spec.tokenization
    policy, place = tokenization.long_documents, ("tokenization", "long_documents")
    if policy.type not in task.long_documents:
        yield finding(
            "E135",
            loaded,
            place,
            f"{task.type} has no `type: {policy.type}` for long texts",
            f"one of: {', '.join(task.long_documents)}",
        )
    elif isinstance(policy, Windows):
        if task.aggregates and policy.aggregate not in task.aggregates:
            yield finding(
                "E135",
                loaded,
                (*place, "aggregate"),
                f"{task.type} cannot put windows together by `{policy.aggregate}`",
                f"one of: {', '.join(task.aggregates)}",
            )
        elif task.aggregates and (reason := task.unfit_aggregate(policy.aggregate)):
            fit = [name for name in task.aggregates if not task.unfit_aggregate(name)]
            yield finding(
                "E135", loaded, (*place, "aggregate"), reason, f"one of: {', '.join(fit)}"
            )
        if 2 * policy.stride >= tokenization.max_length - 2:
            yield finding(
                "E135",
                loaded,
                (*place, "stride"),
                f"windows of {tokenization.max_length} tokens cannot share {policy.stride}",
                "a stride is below half of `max_length`, special tokens not counted",
            )
