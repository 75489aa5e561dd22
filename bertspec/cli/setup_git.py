"""`bertspec setup-git`."""

from pathlib import Path

import click


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and show what is missing.")
@click.option("--remove", is_flag=True, help="Take away what was set up.")
def command(check: bool, remove: bool) -> int:  # noqa: FBT001
    """Let git merge dvc.yaml, params.yaml, dvc.lock and bertspec.lock by stage and key.

    It adds lines to .gitattributes, which is to be committed, and a merge driver to the settings of
    this clone, which each clone needs for itself: without them git merges by lines, as always. Then
    branches that change other specs, or other fields of one, merge without a conflict. Run it again
    after bertspec has moved.

    \b
    Examples:
      bertspec setup-git
      bertspec setup-git --check
    """  # noqa: D301 - click wants the character
    from bertspec.runtime.git_setup import ATTRIBUTES, DRIVER, missing, set_up, take_away

    root = Path.cwd()
    if check and remove:
        raise click.UsageError("--check and --remove exclude each other")
    if remove:
        take_away(root)
        click.echo(f"removed: the lines of {ATTRIBUTES}, and merge.{DRIVER} of git's settings")
        return 0
    found = missing(root)
    if check:
        for what in found:
            click.echo(f"missing or not current: {what}")
        return 1 if found else 0
    set_up(root)
    done = f"written: {' and '.join(found)}" if found else "up to date"
    click.echo(f"{done}; commit {ATTRIBUTES}, and run this in each clone")
    return 0
