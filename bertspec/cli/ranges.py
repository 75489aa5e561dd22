"""Ranges of numbers that several commands take."""

import math
from typing import Any

import click

THREADS = click.IntRange(1, 1024)
"""Of a runtime: with many times as many as there are cores it seems to hang while it begins."""


class FiniteRange(click.FloatRange):
    """A FloatRange that takes no `nan`, which no bound refuses."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number
