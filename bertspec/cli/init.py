"""`bertspec init`."""

import subprocess
from importlib.resources import files
from pathlib import Path

import click

_FILES = {
    "spec.yaml": "specs/sentiment.yaml",
    "reviews.csv": "data/reviews.csv",
    "gitignore": ".gitignore",
}


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Begin a project in FOLDER: a spec, sample data, .gitignore, git and DVC.

    In an existing repository it adds what is missing and touches nothing that is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    template = files("bertspec.cli") / "template"
    for name, target in _FILES.items():
        path = folder / target
        if path.exists():
            click.echo(f"kept     {target}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((template / name).read_text(encoding="utf-8"), encoding="utf-8")
        click.echo(f"written  {target}")
    if not _inside_git(folder):
        _run(["git", "init", "--quiet"], folder)
        click.echo("git      initialised")
    if not (folder / ".dvc").exists():
        at_root = (folder / ".git").exists()
        _run(["dvc", "init", "--quiet", *([] if at_root else ["--subdir"])], folder)
        click.echo("dvc      initialised")
    click.echo("\nNext: bertspec lock && bertspec compile && dvc repro")


def _inside_git(folder: Path) -> bool:
    resolved = folder.resolve()
    return any((parent / ".git").exists() for parent in (resolved, *resolved.parents))


def _run(command_line: list[str], folder: Path) -> None:
    from bertspec.core.errors import EnvironmentFault

    try:
        subprocess.run(command_line, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise EnvironmentFault.of(
            "E502", f"the program {command_line[0]} is not installed", "install it and run again"
        ) from None
    except subprocess.CalledProcessError as error:
        raise EnvironmentFault.of(
            "E503",
            f"`{' '.join(command_line)}` failed: {error.stderr.strip()}",
            "put it right and run again; nothing is written twice",
        ) from None
