"""`bertspec data`."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--samples", type=click.IntRange(min=0), default=2, show_default=True,
    help="Rows to show of each label: those first by id.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Tables to read, or one JSON object.",
)  # fmt: skip
def command(name: str, samples: int, fmt: str) -> None:
    """Show what is in a data set: rows, labels, lengths, samples, and the contract's findings.

    NAME is a data set of params.yaml. Its prepared rows are read, which `dvc repro NAME-prepare`
    builds.

    \b
    Examples:
      bertspec data reviews
      bertspec data reviews --samples 5
    """  # noqa: D301 - click wants the character
    from bertspec.core.terminal import json_text
    from bertspec.runtime.data_report import as_json, show
    from bertspec.runtime.data_summary import summarize

    summary = summarize(name, Path.cwd(), samples)
    if fmt == "json":
        click.echo(json_text(as_json(summary)).encode("utf-8"))  # in any locale
        return
    from rich.console import Console

    show(summary, Console(highlight=False, markup=False, emoji=False))
