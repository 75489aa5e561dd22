"""`bertspec adopt`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bertspec.adopting.adopt import Adopted


@click.command()
@click.argument("name", required=False)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--experiment", metavar="EXPERIMENT",
    help="Take the values of this experiment of DVC, in place of those in params.yaml.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Write nothing; show the change as a diff.")
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Lines to read, or one JSON object.",
)  # fmt: skip
def command(
    name: str | None,
    paths: tuple[Path, ...],
    experiment: str | None,
    dry_run: bool,  # noqa: FBT001
    fmt: str,
) -> None:
    """Write values of an experiment back into the specs, and compile.

    After `dvc exp run --set-param` and `dvc exp apply`, params.yaml holds what the specs do not.
    Each such value is written into the file of its spec, also where the spec inherits it, or into
    that of its data set; all else in the file stays as it is, comments as well. Where DVC has built
    the experiment, nothing runs again.

    With NAME, values of that spec alone are taken, and what params.yaml has for others is put back.
    PATHS are all specs of the project, by default those in `specs`.

    With --experiment nothing is applied before: the values are those of the experiment's
    params.yaml, other changes of params.yaml here are put back and told, and `dvc repro` takes
    what it has built from the run cache.

    Values that no field gives are an error, such as versions from bertspec.lock. All is written, or
    nothing.

    \b
    Examples:
      bertspec adopt                  # after `dvc exp apply`
      bertspec adopt --dry-run        # as a diff
    """  # noqa: D301 - click wants the character
    from bertspec.adopting.adopt import adopt
    from bertspec.core.files import write_all
    from bertspec.core.terminal import json_text, printable

    root = Path.cwd()
    adopted = adopt(root, paths, name, experiment)
    contents, diff = _to_write(adopted, root)
    if not dry_run:
        write_all(contents)
    if fmt == "json":
        click.echo(json_text(_as_json(adopted, written=not dry_run)).encode("utf-8"))
        return
    if dry_run and diff:
        click.echo(printable(diff, "\n\t"), nl=False)
    for line in _lines(adopted, name, experiment):
        click.echo(printable(line), err=dry_run)


def _to_write(adopted: "Adopted", root: Path) -> tuple[dict[Path, bytes], str]:
    """The files that change with their contents, and the difference as people read it."""
    from bertspec.cli.compile import BOM, as_diff, difference, has_mark
    from bertspec.spec.document import shown

    if adopted.pipeline is None:
        return {}, ""
    contents, diff = {}, ""
    for file, (before, after) in adopted.texts.items():
        contents[file] = after.encode()
        diff += as_diff(shown(file, root), before, after, "adopted")
    old, new = difference(adopted.pipeline, root)
    for name, text in new.items():
        if text != old[name]:
            mark = BOM if has_mark(root / name) else ""
            contents[root / name] = (mark + text).encode()
            diff += as_diff(name, old[name] or "", text, "compiled")
    return contents, diff


def _lines(adopted: "Adopted", name: str | None, experiment: str | None) -> list[str]:
    from bertspec.core.values import shown

    lines = [
        f"{change.file}: {change.field} {shown(change.old)} -> {shown(change.new)}"
        for change in adopted.changes
    ]
    if adopted.pipeline is None:
        of_name = f" of `{name}`" if name else ""
        where = f"`{experiment}`" if experiment else "params.yaml"
        lines.append(f"nothing to adopt: {where} has what the specs{of_name} say")
    verb = "is left" if adopted.pipeline is None else "is put back"
    lines += [
        f"{verb}: {d.key}, {shown(d.present)} in params.yaml and {shown(d.compiled)} in its spec"
        for d in adopted.put_back
    ]
    if adopted.again:
        lines.append(f"these stages are not those of the experiment: {', '.join(adopted.again)}")
        lines.append("`bertspec plan` tells what runs again")
    return lines


def _as_json(adopted: "Adopted", *, written: bool) -> dict[str, object]:
    from bertspec.core.values import plain

    return {
        "written": written and adopted.pipeline is not None,
        "changes": [
            {"file": c.file, "field": c.field, "old": plain(c.old), "new": plain(c.new)}
            for c in adopted.changes
        ],
        "other": [
            {"key": d.key, "present": plain(d.present), "compiled": plain(d.compiled)}
            for d in adopted.put_back
        ],
        "again": list(adopted.again),
    }
