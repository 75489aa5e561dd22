"""`bertspec validate`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bertspec.runtime.data_check import DataCheck
    from bertspec.spec.load import Loaded


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--data", "with_data", is_flag=True,
    help="Read the data of local files, too, and check it by the data contract.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json", "github"]), default="text",
    help="`github` writes annotations of a GitHub workflow.",
)  # fmt: skip
def command(paths: tuple[Path, ...], with_data: bool, fmt: str) -> int:  # noqa: FBT001
    """Check specs and data sets; show everything that is wrong in all of them.

    PATHS are files and folders, by default `specs`. A folder stands for the specs in it and the
    data sets in its folder `datasets`; a spec that another starts from is checked with it, when it
    lies in the same folder. Exit code 2 when something is wrong.

    With --data the rows of each valid spec are read and prepared in a temporary folder, and the
    contract's quick rules look at them. Nothing is built and nothing is downloaded. Exit code 2
    also for data that cannot be read, and 1 when only the contract is broken.

    \b
    Examples:
      bertspec validate
      bertspec validate --data specs/sentiment.yaml
      bertspec validate --format github    # in a workflow
    """  # noqa: D301 - click wants the character
    from bertspec.compiler.checks import load_checked
    from bertspec.core.diagnostics import Severity, render
    from bertspec.core.verbosity import did, note

    loaded = load_checked(paths or (Path("specs"),), Path.cwd())
    data = _check_data(loaded) if with_data else None
    unread = {d.position for d in data.unreadable} if data else set()
    # That a file is missing is an error now, and said there.
    checked = [d for d in loaded.diagnostics if d.code != "E110" or d.position not in unread]
    found = [*checked, *(data.found if data else ())]
    errors = [d for d in found if d.severity is Severity.ERROR]
    if found or fmt == "json":
        click.echo(render(found, fmt))
    for text in data.notes if data else ():
        note(f"note: {text}")
    if fmt == "text":
        files = _count(len(loaded.files), "file")
        if errors:
            place = f" in {files}" if loaded.files else ""
            place += f" and {_count(len(data.rows), 'data set')}" if data and data.rows else ""
            click.echo(f"\n{_count(len(errors), 'error')}{place}", err=True)
        else:
            did(f"{files} valid{_read(data) if data else ''}")
    broken = data.broken if data else ()
    return 0 if not errors else 1 if all(d in broken for d in errors) else 2


def _check_data(loaded: "Loaded") -> "DataCheck":
    from bertspec.compiler.pins import with_pins
    from bertspec.core.errors import InputError
    from bertspec.pipeline.lock import read_lock
    from bertspec.runtime.data_check import check_data

    try:
        lock = read_lock(Path.cwd())
    except InputError:  # its own commands say so
        lock = None
    if lock is not None:
        pinned = tuple(with_pins(spec, lock) for spec in loaded.specs)
        loaded = replace(loaded, specs=pinned)
    return check_data(loaded, Path.cwd())


def _read(data: "DataCheck") -> str:
    if not data.rows:
        return ", no data read"
    return f", {_count(len(data.rows), 'data set')} with {_count(sum(data.rows.values()), 'row')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
