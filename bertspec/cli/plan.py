"""`bertspec plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bertspec.planning.plan import Plan

_CANNOT_SAY = 1
_CHANGES = 2
"""As `terraform plan -detailed-exitcode` has it, and so not what 2 is for other commands."""


class _Command(click.Command):
    """Ends with 1 for wrong arguments: 2 says that there is something to run."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*args, **options)
        except click.UsageError as error:
            error.show()
            raise click.exceptions.Exit(_CANNOT_SAY) from None


@click.command(cls=_Command)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--remote", is_flag=True,
    help="Plan `dvc repro --pull`: look into DVC's default remote, too.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Lines to read, or one JSON object.",
)  # fmt: skip
def command(paths: tuple[Path, ...], remote: bool, fmt: str) -> int:  # noqa: FBT001
    """Tell what `dvc repro` would run after `bertspec compile`, and why; nothing is run or written.

    PATHS are all specs of the project, by default those in `specs`.

    Each stage has what makes it run: the field of the spec with its place, a locked version, a
    file. Stages that read what another one makes anew are told apart, as they run only if that
    becomes another one; so are stages whose outputs DVC takes from its run cache. Times are those
    of the last runs on this machine.

    Exit code 0 when there is nothing to run, 2 when there is something, and 1, other than for other
    commands, for input that is wrong; 3 when the remote cannot be read.

    \b
    Examples:
      bertspec plan
      bertspec plan --format json
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import CheckFailed, InputError
    from bertspec.core.terminal import json_text
    from bertspec.planning.text import as_json, as_text

    try:
        plan = _plan(paths, Path.cwd(), with_remote=remote)
    except InputError as error:
        raise CheckFailed(error.diagnostics) from None
    if fmt == "json":
        click.echo(json_text(as_json(plan)).encode("utf-8"))  # in any locale
    else:
        click.echo("\n".join(as_text(plan)))
    return _CHANGES if plan.steps else 0


def _plan(paths: tuple[Path, ...], root: Path, *, with_remote: bool) -> "Plan":
    from bertspec.core.looks import noting
    from bertspec.planning.unchanged import keep_plan, kept_plan

    if not with_remote and (kept := kept_plan(root, paths)):
        return kept
    # Here, so that a plan of what has not changed need not import them.
    from bertspec.cli.compile import lowered
    from bertspec.planning.make import make_plan

    with noting() as looks:
        loaded, pipeline = lowered(paths, root)
        planned = make_plan(root, loaded.specs, pipeline, with_remote=with_remote)
    if not (with_remote or planned.plan.steps or loaded.diagnostics):
        keep_plan(root, paths, planned.plan, planned.cache, looks)
    return planned.plan
