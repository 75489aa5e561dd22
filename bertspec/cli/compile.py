"""`bertspec compile`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bertspec.pipeline.stage import Pipeline
    from bertspec.spec.load import Loaded

BOM = "\N{BYTE ORDER MARK}"


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and show what would change.")
@click.option("--diff", is_flag=True, help="Show what changes.")
def command(paths: tuple[Path, ...], check: bool, diff: bool) -> int:  # noqa: FBT001
    """Write dvc.yaml and params.yaml from specs.

    PATHS are all specs of the project, by default those in `specs`: stages of others disappear,
    but for specs in the same folder that one of them starts from.
    Stages and params of your own stay. The files are written only when what they say changes.

    \b
    Examples:
      bertspec compile
      bertspec compile --check        # for CI: 1 where a file is not current
    """  # noqa: D301 - click wants the character
    from bertspec.core.files import write_if_changed
    from bertspec.core.verbosity import did

    root = Path.cwd()
    loaded, pipeline = lowered(paths, root)
    old, new = difference(pipeline, root)
    changed = [name for name in new if new[name] != old[name]]
    if check or diff:
        for name in changed:
            click.echo(as_diff(name, old[name] or "", new[name], "compiled"), nl=False)
    if check:
        if changed:
            click.echo(f"{' and '.join(changed)} would change: run `bertspec compile`", err=True)
        return 1 if changed else 0
    for name in changed:
        mark = BOM if has_mark(root / name) else ""
        write_if_changed(root / name, mark + new[name])
    count = len(loaded.specs)
    specs = f"{count} spec{'s' if count != 1 else ''}"
    did(f"{specs}, {len(pipeline.stages)} stages: {_did(changed)}")
    return 0


def lowered(paths: tuple[Path, ...], root: Path) -> "tuple[Loaded, Pipeline]":
    """The specs, of which nothing is wrong, and what they compile to. Tells warnings.

    Raises InputError: for what is wrong in the specs, E207 without a lock that fits them.
    """
    from bertspec.compiler.checks import load_valid
    from bertspec.compiler.lower import lower
    from bertspec.core.diagnostics import render
    from bertspec.pipeline.lock import require_lock

    loaded = load_valid(paths, root)
    if loaded.diagnostics:
        click.echo(render(loaded.diagnostics, "text"), err=True)
    return loaded, lower(loaded.specs, require_lock(root))


def difference(pipeline: "Pipeline", root: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    """dvc.yaml and params.yaml as they are, None for one that is not there, and as compiled.

    Raises InputError (E209, E210) for a file that cannot be read or kept.
    """
    from bertspec.compiler.emit import emit_dvc, emit_params
    from bertspec.pipeline.layout import DVC_FILE, PARAMS_FILE

    old = {name: _read(root / name) for name in (DVC_FILE, PARAMS_FILE)}
    new = {
        DVC_FILE: emit_dvc(pipeline, old[DVC_FILE]),
        PARAMS_FILE: emit_params(pipeline, old[PARAMS_FILE]),
    }
    return old, new


def _did(changed: list[str]) -> str:
    return f"{' and '.join(changed)} written" if changed else "up to date"


def _read(path: Path) -> str | None:
    """The text of a file with its line ends and without a byte-order mark.

    Raises InputError (E209) for what is no file, or is not UTF-8.
    """
    from bertspec.core.errors import InputError

    if not path.exists():
        return None
    if not path.is_file():
        raise InputError.of("E209", f"{path.name} is not a file", "move it away, or remove it")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError.of(
            "E209", f"{path.name} is not UTF-8 (byte {error.start + 1})", "save it as UTF-8"
        ) from None


def has_mark(path: Path) -> bool:
    """Whether a file begins with a byte-order mark."""
    return path.exists() and path.read_bytes().startswith(BOM.encode())


def as_diff(name: str, old: str, new: str, what: str) -> str:
    """How a file changes, as `diff -u` tells; `what` the new text is."""
    from difflib import unified_diff

    lines = unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), name, f"{name} ({what})"
    )
    return "".join(lines)
