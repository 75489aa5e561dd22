"""`bertspec stage`."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
def command(name: str) -> None:
    """Run the compiled stage NAME of the project in this folder.

    DVC calls this. By hand it makes the stage's outputs anew from what is in the workspace.
    """
    from bertspec.runtime.stage import run_stage

    run_stage(name, Path.cwd())
