"""`bertspec doctor`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bertspec.runtime.doctor.project import Project


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--measure/--no-measure", default=True, show_default=True,
    help="Measure how fast matrices are multiplied, for about ten seconds.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Tables to read, or one JSON object.",
)  # fmt: skip
def command(paths: tuple[Path, ...], measure: bool, fmt: str) -> int:  # noqa: FBT001
    """Tell what this machine can do, and what is wrong with it or with the project in this folder.

    PATHS are all specs of the project, by default those in `specs`.

    It looks at cores, instruction set, bf16, GPUs, memory and disk; the speed of matrix products
    in GFLOP/s; installed packages beside the locked ones; git, DVC, its remote and links; and
    whether dvc.yaml and params.yaml are current. Each line is good, a note, or wrong, with what to
    do about it. Nothing is changed. Exit code 1 when something is wrong.

    \b
    Examples:
      bertspec doctor
      bertspec doctor --no-measure --format json
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import CheckFailed
    from bertspec.core.terminal import json_text
    from bertspec.runtime.doctor.examine import examine
    from bertspec.runtime.doctor.line import State
    from bertspec.runtime.doctor.show import as_json, show

    lines = list(examine(Path.cwd(), _project(paths, Path.cwd()), measure=measure))
    if fmt == "json":
        click.echo(json_text(as_json(lines)).encode("utf-8"))  # in any locale
    else:
        from rich.console import Console

        show(lines, Console(highlight=False, markup=False, emoji=False))
    return CheckFailed.exit_code if any(line.state is State.WRONG for line in lines) else 0


def _project(paths: tuple[Path, ...], root: Path) -> "Project":
    """The project at `root`, looked at as far as it can be read."""
    from bertspec.cli.compile import difference
    from bertspec.compiler.checks import load_checked
    from bertspec.compiler.lower import lower, packages_used
    from bertspec.compiler.pins import with_pins
    from bertspec.core.errors import InputError
    from bertspec.pipeline.layout import LOCK_FILE
    from bertspec.runtime.doctor.line import State, of_error
    from bertspec.runtime.doctor.project import (
        Project,
        no_project,
        of_compiled,
        of_lock,
        of_specs,
    )

    if not paths and not (root / "specs").exists() and not (root / LOCK_FILE).exists():
        return no_project()
    loaded = load_checked(paths or (Path("specs"),), root)
    lock, about_lock = of_lock(root)
    lines = [of_specs(loaded), about_lock]
    if lock is not None and lines[0].state is State.GOOD:
        try:
            lines.append(of_compiled(*difference(lower(loaded.specs, lock), root)))
        except InputError as error:
            lines.append(of_error("project", "compiled", error))
    specs = [with_pins(each, lock) for each in loaded.specs] if lock else loaded.specs
    return Project(
        is_one=True,
        lock=lock,
        packages=packages_used(loaded.specs),
        precisions={each.spec.name: each.spec.training.precision for each in specs},
        lines=lines,
    )
