"""`bertspec explain`."""

from pathlib import Path

import click

from bertspec.cli.completing import stages


@click.command()
@click.argument("target", shell_complete=stages)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Lines to read, or one JSON object.",
)  # fmt: skip
def command(target: str, paths: tuple[Path, ...], fmt: str) -> None:
    """Tell where TARGET comes from: a stage, or a file or folder that one makes.

    PATHS are all specs of the project, by default those in `specs`.

    It shows the stages before it down to raw data, with the fields of specs that each reads, where
    they stand, and locked versions: all that can change it. With that, what `bertspec plan` says of
    it, and why it was last made anew, as the versions of dvc.lock in git tell.

    \b
    Examples:
      bertspec explain sentiment-train
      bertspec explain models/sentiment/export
    """  # noqa: D301 - click wants the character
    from bertspec.cli.compile import lowered
    from bertspec.core.terminal import json_text
    from bertspec.planning.explain import explain
    from bertspec.planning.origin_text import as_json, as_text

    loaded, pipeline = lowered(paths, Path.cwd())
    found = explain(target, Path.cwd(), loaded.specs, pipeline)
    if fmt == "json":
        click.echo(json_text(as_json(found)).encode("utf-8"))  # in any locale
    else:
        click.echo("\n".join(as_text(found)))
