"""`bertspec init`."""

import shlex
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import click

from bertspec.core.verbosity import did

_SAMPLE = {
    "spec.yaml": "specs/sentiment.yaml",
    "reviews.csv": "data/sample-restaurant-reviews.csv",
}


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Begin a project in FOLDER, by default here: a spec, sample data, JSON Schemas for
    editors, .gitignore, git and DVC.

    It makes the folder, or adds what is missing to one, such as an existing git repository, and
    touches nothing that is there.

    \b
    Examples:
      bertspec init restaurants
      bertspec init                   # in the folder of a repository
    """  # noqa: D301 - click wants the character
    _require_programs()
    for name in ("specs", "data", "schema"):
        if (folder / name).is_file():
            raise click.UsageError(f"{folder / name} is a file, and must be a folder")
    folder.mkdir(parents=True, exist_ok=True)
    _write_sample(folder)
    _write_schemas(folder)
    if (folder / ".gitignore").exists():
        did("kept     .gitignore (DVC adds its own beside what it builds)")
    else:
        _write(folder, ".gitignore", _template("gitignore"))
    repository = _git_root(folder)
    if repository is None:
        _run(["git", "init", "--quiet"], folder)
        did("written  .git (a new git repository)")
    else:
        did(f"kept     git repository {repository}")
    if (folder / ".dvc").exists():
        did("kept     .dvc")
    else:
        inside = repository not in (None, folder.resolve())
        _run(["dvc", "init", *(["--subdir"] if inside else [])], folder)
        did("written  .dvc (DVC is initialised)")
    go = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    did(f"\nNext: {go}bertspec lock && bertspec compile && dvc repro")


def _write_sample(folder: Path) -> None:
    """Write the spec and its data unless one of them is another file: the spec would not run."""
    contents = {target: _template(name) for name, target in _SAMPLE.items()}
    kept = [target for target in contents if (folder / target).exists()]
    other = [target for target in kept if not _holds(folder / target, contents[target])]
    for target, content in contents.items():
        if target in kept:
            did(f"kept     {target}")
        elif other:
            did(f"skipped  {target}, which goes with another {other[0]} than yours")
        else:
            _write(folder, target, content)


def _write_schemas(folder: Path) -> None:
    """Write the JSON Schemas that the first line of a spec names, for editors."""
    from bertspec.spec.schema import SCHEMAS, schema_text

    for what, (_, name) in SCHEMAS.items():
        target = f"schema/{name}"
        if (folder / target).exists():
            click.echo(f"kept     {target}")
        else:
            _write(folder, target, schema_text(what).encode("utf-8"))


def _template(name: str) -> bytes:
    return (files("bertspec.cli") / "template" / name).read_bytes()


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _write(folder: Path, target: str, content: bytes) -> None:
    path = folder / target
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    did(f"written  {target}")


def _git_root(folder: Path) -> Path | None:
    resolved = folder.resolve()
    return next((p for p in (resolved, *resolved.parents) if (p / ".git").exists()), None)


def _require_programs() -> None:
    from bertspec.core.errors import EnvironmentFault

    for program, advice in (
        ("git", "install it"),
        ("dvc", "activate the virtual environment in which bertspec is installed: it has dvc"),
    ):
        if shutil.which(program) is None:
            raise EnvironmentFault.of("E502", f"`{program}` is not on the PATH", advice)


def _run(command_line: list[str], folder: Path) -> None:
    from bertspec.core.errors import EnvironmentFault

    result = subprocess.run(command_line, cwd=folder, check=False, capture_output=True, text=True)
    if result.returncode:
        raise EnvironmentFault.of(
            "E503",
            f"`{' '.join(command_line)}` failed: {result.stderr.strip()}",
            "put it right and run again; nothing is written twice",
        )
