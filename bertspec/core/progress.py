"""Progress of long work on a terminal; silent anywhere else, and with --quiet."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from bertspec.core.verbosity import is_quiet


class Bar(Protocol):
    """Moves one bar. `note` is shown behind it, such as the current loss."""

    def __call__(self, advance: int = 1, note: str = "") -> None: ...


def _no_bar(advance: int = 1, note: str = "") -> None:
    pass


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Bar]:
    """Show a bar on standard error while the block runs; `total` None shows a pulse."""
    if is_quiet() or not sys.stderr.isatty():
        yield _no_bar
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bars: Progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=(console := Console(stderr=True)),
        disable=not console.is_terminal,  # which TERM and others may deny
        transient=True,
        # A step of a large model may take longer than the default, and then no time left is shown.
        speed_estimate_period=600,
    )
    with bars:
        task = bars.add_task(title, total=total, note="")

        def bar(advance: int = 1, note: str = "") -> None:
            bars.update(task, advance=advance, note=note)

        yield bar
