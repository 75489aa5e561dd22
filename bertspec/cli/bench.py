"""`bertspec bench`."""

from pathlib import Path

import click

from bertspec.cli.completing import exported_models
from bertspec.cli.ranges import THREADS, FiniteRange

_MOST = 65_536
"""Rows, and tokens of a row; with many more no machine has the memory."""

_FILE = click.Path(dir_okay=False, path_type=Path)


def _numbers(_context: click.Context, _option: click.Parameter, text: str | None) -> list[int]:
    """Whole numbers above 0, and not above _MOST, with commas between them."""
    if text is None:
        return []
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [0]
    if not all(1 <= number <= _MOST for number in found):
        raise click.BadParameter(f"write whole numbers above 0, {_MOST} at most, such as 1,16")
    return list(dict.fromkeys(found))


def _svg(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() != ".svg":
        raise click.BadParameter("the plot is SVG: name a file with .svg at its end")
    return path


@click.command()
@click.argument("model", shell_complete=exported_models)
@click.option(
    "--batch", "batches", default="1,16", show_default=True, callback=_numbers, metavar="N[,N...]",
    help="Rows that the model sees at once.",
)  # fmt: skip
@click.option(
    "--tokens", callback=_numbers, metavar="N[,N...]",
    help="Tokens of each row; by default 128, or as many as the model reads.",
)  # fmt: skip
@click.option(
    "--threads", type=THREADS, help="Threads of each runtime; by default one a core.",
)  # fmt: skip
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True,
    help="How often each format has its turn at each size.",
)  # fmt: skip
@click.option(
    "--seconds", type=FiniteRange(0, 3600), default=1.0, show_default=True,
    help="How long a turn is; it has three runs at least.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Tables to read, or one JSON object.",
)  # fmt: skip
@click.option("--output", type=_FILE, help="Write the JSON object to a file, too.")
@click.option(
    "--plot", "picture", type=_FILE, callback=_svg,
    help="Draw latencies into a file .svg.",
)  # fmt: skip
def command(
    model: str,
    batches: list[int],
    tokens: list[int],
    threads: int | None,
    rounds: int,
    seconds: float,
    fmt: str,
    output: Path | None,
    picture: Path | None,
) -> None:
    """Measure each format of an exported model beside PyTorch: latency, throughput, size, memory.

    MODEL is the name of a spec that has been built, or an export folder. PyTorch runs the trained
    model beside the export folder, where there is one; times of the others are compared with it,
    or else with those of the first export. A format whose runtime is not installed is left out.

    Each format runs in a process of its own, and they take turns, so that other work on the
    machine meets all alike. Rows are random tokens, without padding. Nothing is written but what
    --output and --plot name.

    \b
    Examples:
      bertspec bench sentiment
      bertspec bench sentiment --batch 1,8,32 --tokens 32,128 --threads 1 --plot formats.svg
    """  # noqa: D301 - click wants the character
    from bertspec.cli.predict import export_folder
    from bertspec.core.files import removed_on_signals, write_atomic
    from bertspec.core.terminal import json_text
    from bertspec.runtime.benching.bench import bench
    from bertspec.runtime.benching.plot import plot
    from bertspec.runtime.benching.show import show

    with removed_on_signals():
        results = bench(
            model, export_folder(model), batches, tokens,
            threads=threads, rounds=rounds, seconds=seconds,
        )  # fmt: skip
    text = json_text(results.as_json()).encode("utf-8")  # in any locale
    if fmt == "json":
        click.echo(text)
    else:
        from rich.console import Console

        show(results, Console(highlight=False, markup=False, emoji=False))
    if output is not None:
        write_atomic(output, text + b"\n")
    if picture is not None:
        write_atomic(picture, plot(results).encode("utf-8"))
