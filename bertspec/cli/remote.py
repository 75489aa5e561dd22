"""`bertspec remote`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bertspec.planning.remotes import State


@click.group()
def command() -> None:
    """Look after remotes of DVC, where a team shares artifacts.

    \b
    bertspec remote check [NAME]   does it work, and what is missing in it
    """  # noqa: D301 - click wants the character


@command.command()
@click.argument("name", required=False)
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Lines to read, or one JSON object.",
)  # fmt: skip
def check(name: str | None, fmt: str) -> int:
    """Tell whether a remote can be read, and what is missing in it.

    NAME is a remote, by default the default one. Each artifact that dvc.lock names is looked for,
    file by file; nothing is sent and nothing is fetched. Only a push shows whether one may write.

    Exit code 1 when something is not in the remote, 3 when the remote cannot be read.

    \b
    Examples:
      bertspec remote check
      bertspec remote check team --format json
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import InputError
    from bertspec.core.terminal import json_text
    from bertspec.planning.project import read_locked
    from bertspec.planning.remotes import State, choose, look_into, read_remotes

    root = Path.cwd()
    remote = choose(read_remotes(root), name)
    locked = {path: d for stage in read_locked(root).values() for path, d in stage.outs.items()}
    if not locked:
        raise InputError.of(
            "E241", "nothing has been built here: there is nothing to look for", "run `dvc repro`"
        )
    found = look_into(remote, root, locked)
    absent = [a for a, states in found.items() if states[State.NEW] or states[State.MISSING]]
    if fmt == "json":
        about = {"name": remote.name, "url": remote.url}
        click.echo(json_text(about | {"artifacts": found}).encode("utf-8"))  # in any locale
        return 1 if absent else 0
    click.echo(f"{remote.name} ({remote.url}) can be read")
    for artifact, states in found.items():
        click.echo(f"  {artifact}: {_told(states)}")
    if any(states[State.NEW] for states in found.values()):
        click.echo(f"`dvc push --remote {remote.name}` sends what is not in it")
    if not absent:
        click.echo("it has all that dvc.lock names")
    return 1 if absent else 0


def _told(states: "Counter[State]") -> str:
    from bertspec.planning.remotes import State

    texts = {
        State.NEW: "not in the remote",
        State.DELETED: "only in the remote: `dvc pull` brings it",
        State.MISSING: "neither here nor in the remote: `dvc repro` makes it anew",
    }
    counted = ((n, texts[state]) for state, n in sorted(states.items()))
    return "; ".join(f"{n} {'file' if n == 1 else 'files'} {text}" for n, text in counted)
