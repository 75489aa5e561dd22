"""Rounds in which each format has its turn, so that a busy machine hits all alike."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bertspec.core.errors import BertspecError
from bertspec.core.progress import Bar, progress
from bertspec.runtime.benching.formats import Absent, Format
from bertspec.runtime.benching.ids import Vocabulary
from bertspec.runtime.benching.process import Process

NOT_INSTALLED = "E502"


@dataclass(frozen=True)
class Size:
    """Of what a model sees at once."""

    batch: int
    tokens: int

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.tokens} tokens"


@dataclass(frozen=True)
class Plan:
    """How it is measured."""

    sizes: Sequence[Size]
    threads: int
    rounds: int
    seconds: float
    """Of a turn: one format, one size, one round."""


@dataclass
class Measured:
    """What was measured of a format."""

    format: Format
    load: float
    """Seconds, import of the runtime included."""
    peak: int | None = None
    """Bytes of memory that its process had at most."""
    times: dict[Size, list[list[float]]] = field(default_factory=dict)
    """Of each size the rounds, and of each round the seconds of each run."""


def measure(
    wanted: Sequence[Format | Absent],
    task: Mapping[str, Any],
    vocabulary: Vocabulary,
    plan: Plan,
) -> tuple[list[Measured], list[Absent]]:
    """What was measured, and what was not, both in the order of `wanted`.

    A format whose runtime is not installed becomes an Absent one. Raises what else went wrong in
    the process of a format.
    """
    formats = [each for each in wanted if isinstance(each, Format)]
    absent = {each.name: each for each in wanted if isinstance(each, Absent)}
    turns = plan.rounds * len(plan.sizes)
    with (
        TemporaryDirectory() as logs,
        ExitStack() as stack,
        progress("bench", len(formats) * (1 + turns)) as bar,
    ):
        begun: list[tuple[Measured, Process]] = []
        for number, form in enumerate(formats):
            bar(0, f"loading {form.name}")
            log = Path(logs) / f"{number}.txt"
            process = stack.enter_context(Process(form, task, vocabulary, plan.threads, log))
            found = _loaded(form, process)
            if isinstance(found, Absent):
                absent[form.name] = found
                bar(turns)
            else:
                begun.append((found, process))
            bar()
        _take_turns(begun, plan, bar)
    order = [each.name for each in wanted]
    return [one for one, _ in begun], sorted(absent.values(), key=lambda a: order.index(a.name))


def _loaded(format: Format, process: Process) -> Measured | Absent:
    try:
        found = process.loaded()
    except BertspecError as error:
        first = error.diagnostics[0]
        if first.code != NOT_INSTALLED:
            raise
        advice = f" ({first.help})" if first.help else ""
        return Absent(format.name, first.message + advice)
    if "missing" in found:
        return Absent(format.name, f"not installed: {found['missing']}")
    return Measured(format, found["load"])


def _take_turns(begun: Sequence[tuple[Measured, Process]], plan: Plan, bar: Bar) -> None:
    for number in range(plan.rounds):
        for size in plan.sizes:
            # Another one begins each round: whatever comes in a rhythm meets all of them.
            first = number % max(1, len(begun))
            for one, process in [*begun[first:], *begun[:first]]:
                bar(0, f"{one.format.name}, {size}")
                turn = process.take(size.batch, size.tokens, plan.seconds)
                one.times.setdefault(size, []).append(turn["times"])
                one.peak = turn["peak"]
                bar()
