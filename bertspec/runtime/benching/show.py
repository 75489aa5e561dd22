"""Results as tables to read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bertspec.runtime.benching.measure import Measured
from bertspec.runtime.benching.results import Cell, Results

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MB = 10**6

_UNBOUNDED = 1000
"""Columns where nobody looks: no number is cut off."""


def show(results: Results, console: "Console") -> None:
    """A table of each size, one of what a format takes, each with one row a format; and notes."""
    if not console.is_terminal:
        console.width = _UNBOUNDED
    for part in _parts(results):
        console.print(part, soft_wrap=isinstance(part, str))


def _parts(results: Results) -> Iterator["Table | str"]:
    for size in results.plan.sizes:
        table = _table(str(size), "p50 ms", "p99 ms", "tokens/s", _ratio_title(results))
        for one, cell in results.cells(size):
            table.add_row(one.format.name, *_times(cell))
        yield table
    table = _table("to have it", "on disk MB", "memory MB", "load s")
    for one in results.measured:
        table.add_row(one.format.name, *_costs(one))
    yield table
    for each in results.absent:
        yield f"not measured: {each.name}: {each.why}"
    plan = results.plan
    yield (
        f"threads: {plan.threads}; rounds: {plan.rounds}, with turns of {plan.seconds:g} s; "
        "memory is the most that the process had, Python included"
    )
    if results.is_busy:
        yield (
            f"the load of this machine was {results.load:.1f} before the first turn: beside other "
            "work, times are too long"
        )


def _ratio_title(results: Results) -> str:
    return f"x {results.reference.format.name}"


def _table(title: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_style="bold", title_justify="left")
    table.add_column("format", min_width=11)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _times(cell: Cell) -> list[str]:
    ratio = f"{cell.ratio:.2f} ({min(cell.ratios):.2f} to {max(cell.ratios):.2f})"
    return [
        f"{1000 * cell.p50:,.2f}", f"{1000 * cell.p99:,.2f}", f"{cell.tokens_per_second:,.0f}",
        ratio,
    ]  # fmt: skip


def _costs(one: Measured) -> list[str]:
    memory = "-" if one.peak is None else f"{one.peak / MB:,.0f}"
    return [f"{one.format.size / MB:,.1f}", memory, f"{one.load:,.2f}"]
