"""`bertspec stage`."""

from pathlib import Path

import click

from bertspec.cli.completing import stages


@click.command()
@click.argument("name", shell_complete=stages)
def command(name: str) -> None:
    """Run the compiled stage NAME of the project in this folder.

    DVC calls this. By hand it makes the stage's outputs anew from what is in the workspace.

    \b
    Examples:
      bertspec stage sentiment-train
    """  # noqa: D301 - click wants the character
    import time

    from bertspec.core.verbosity import is_verbose
    from bertspec.runtime.stage import run_stage

    start = time.perf_counter()
    run_stage(name, Path.cwd())
    if is_verbose():
        click.echo(f"{name}: {time.perf_counter() - start:.1f} s", err=True)
