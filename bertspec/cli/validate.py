"""`bertspec validate`."""

from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json", "github"]), default="text",
    help="`github` writes annotations of a GitHub workflow.",
)  # fmt: skip
def command(paths: tuple[Path, ...], fmt: str) -> int:
    """Check specs and data sets; show everything that is wrong in all of them.

    PATHS are files and folders, by default `specs`. A folder stands for the specs in it and the
    data sets in its folder `datasets`. Exit code 2 when something is wrong.
    """
    from bertspec.compiler.checks import load_checked
    from bertspec.core.diagnostics import Severity, render

    loaded = load_checked(paths or (Path("specs"),), Path.cwd())
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    if loaded.diagnostics or fmt == "json":
        click.echo(render(loaded.diagnostics, fmt))
    if fmt == "text":
        count = len(loaded.files)
        files = f"{count} file{'s' if count != 1 else ''}"
        if errors:
            number = f"{len(errors)} error{'s' if len(errors) != 1 else ''}"
            click.echo(f"\n{number}{f' in {files}' if count else ''}", err=True)
        else:
            click.echo(f"{files} valid")
    return 2 if errors else 0
