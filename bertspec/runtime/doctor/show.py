"""The lines, for people and for machines."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bertspec.core.terminal import one_line
from bertspec.runtime.doctor.line import Line, State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {State.GOOD: "green", State.NOTE: "yellow", State.WRONG: "bold red"}
_UNBOUNDED = 100_000
"""Columns where nobody looks: a line stays one, for grep."""


def as_json(lines: Sequence[Line]) -> dict[str, Any]:
    """For machines: each line with its facts, by which `text` was written."""
    return {
        "wrong": sum(line.state is State.WRONG for line in lines),
        "notes": sum(line.state is State.NOTE for line in lines),
        "checks": [
            {
                "group": line.group, "name": line.name, "state": str(line.state),
                "text": line.text, "help": line.help, "facts": dict(line.facts),
            }
            for line in lines
        ],
    }  # fmt: skip


def show(lines: Sequence[Line], console: "Console") -> None:
    """For people: a table a group, as wide as the terminal, and what to do below each line."""
    if not console.is_terminal:
        console.width = _UNBOUNDED
    width = max(len(one_line(line.name)) for line in lines)
    with console.capture() as captured:
        for group, members in groupby(lines, key=lambda line: line.group):
            console.print(_table(group, list(members), width))
            console.print()
    shown = captured.get().splitlines()
    console.file.write("\n".join(line.rstrip() for line in shown) + "\n")
    console.print(_verdict(lines))


def _table(group: str, lines: Sequence[Line], width: int) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=group, title_style="bold", title_justify="left", box=None, show_header=False,
        pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
    table.add_column(min_width=max(map(len, State)), no_wrap=True)
    table.add_column(min_width=width, overflow="fold")
    table.add_column(overflow="fold")
    for line in lines:
        state = Text(line.state, _STYLES[line.state])
        table.add_row(state, Text(one_line(line.name)), Text(one_line(line.text)))
        if line.help:
            table.add_row("", "", Text(f"help: {one_line(line.help)}", "dim"))
    return table


def _verdict(lines: Sequence[Line]) -> str:
    wrong = sum(line.state is State.WRONG for line in lines)
    notes = sum(line.state is State.NOTE for line in lines)
    told = f"{notes} note{'s' if notes != 1 else ''}"
    return f"{wrong} wrong, {told}" if wrong else f"nothing is wrong, {told}"
