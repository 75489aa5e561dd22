"""`bertspec lock`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bertspec.cli.ranges import THREADS

if TYPE_CHECKING:
    from bertspec.pipeline.lock import Lock
    from bertspec.runtime.locking import Open

_ALL = "*"
"""`--upgrade` without a name; no pin can be called so."""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--threads",
    type=THREADS,
    help="Threads of the stages that compute; by default the lock's, else this machine's cores.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="Where models are trained and evaluated; by default the lock's, else a GPU if torch sees "
    "one, else the processor.",
)
@click.option(
    "--upgrade", is_flag=False, flag_value=_ALL, metavar="[NAME]",
    help="Look everything up again. With a NAME that one alone, and nothing else changes: a "
    "repository of the hub, an address, a package, `precision` or `hardware`.",
)  # fmt: skip
@click.option(
    "--frozen", is_flag=True,
    help="For CI: write nothing; exit 1 and show what would change. Nothing is looked up.",
)  # fmt: skip
@click.option(
    "--offline", is_flag=True,
    help="Never open a connection; what would need one is an error that names it.",
)  # fmt: skip
def command(
    paths: tuple[Path, ...],
    threads: int | None,
    device: Literal["cpu", "cuda"] | None,
    upgrade: str | None,
    frozen: bool,  # noqa: FBT001
    offline: bool,  # noqa: FBT001
) -> int:
    """Write bertspec.lock: what specs leave open, as it is now.

    PATHS are specs, by default all in `specs`; with PATHS, what none of them uses stays as it is.
    With the specs the lock determines every artifact. Commit it. It has the commit of each branch
    or tag of the hub, the digest of each file on the web that a spec gives none for, what
    `precision: auto` is, the installed version of each package that a stage uses, the number of
    threads, the device, and the class of the machine.

    What is in the lock stays until `--upgrade`, except for versions of packages, which are those
    that are installed: no others could be run. With another torch, the class of the machine is
    looked up again. What changes is shown.

    A lock that cannot be read, such as after a merge, is written anew.

    \b
    Examples:
      bertspec lock
      bertspec lock --upgrade models/acme/tiny@main
      bertspec lock --frozen          # for CI: 1 where it would change
    """  # noqa: D301 - click wants the character
    from bertspec.core.files import write_if_changed
    from bertspec.core.verbosity import did
    from bertspec.pipeline.layout import LOCK_FILE
    from bertspec.pipeline.lock import require_lock
    from bertspec.runtime.locking import changes, differences, resolve

    if frozen and upgrade is not None:
        raise click.UsageError("--frozen and --upgrade exclude each other")
    root = Path.cwd()
    left = _left_open(paths, root)
    if frozen:
        would = differences(left, require_lock(root), threads=threads, device=device)
        for line in would:
            click.echo(line)
        if would:
            click.echo(f"{LOCK_FILE} would change: run `bertspec lock`", err=True)
        return 1 if would else 0
    old = _old_lock(root)
    named = upgrade is not None and upgrade != _ALL
    moving = () if upgrade is None else left.names() if upgrade == _ALL else left.named(upgrade)
    lock = resolve(
        root, left, old, threads=threads, device=device, moving=moving, packages_stay=named,
        offline=offline,
    )  # fmt: skip
    written = write_if_changed(root / LOCK_FILE, lock.to_text())
    state = "written" if written else "up to date"
    how = f"threads: {lock.threads}, device: {lock.device}"
    did(f"{LOCK_FILE} {state}: {len(lock.packages)} packages, {how}")
    for line in changes(old, lock) if old else ():
        did(f"  {line}")
    if lock.hardware is None:
        told = "hardware is left open, as torch sees no GPU here: run `bertspec lock` where it is"
        click.echo(told, err=True)
    return 0


def _left_open(paths: tuple[Path, ...], root: Path) -> "Open":
    """What the specs leave to the lock. Raises InputError for specs that are not valid."""
    from bertspec.catalog.bases.package import PackageBase
    from bertspec.compiler.checks import load_valid
    from bertspec.compiler.lower import packages_used
    from bertspec.compiler.pins import floating_of, has_auto_precision
    from bertspec.runtime.locking import Open

    loaded = load_valid(paths, root)
    for spec in (each.spec for each in loaded.specs):
        if isinstance(spec.model.base, PackageBase):
            spec.model.base.check_distribution()
    return Open(
        packages_used(loaded.specs), floating_of(loaded.specs), has_auto_precision(loaded.specs),
        is_all=not paths,
    )  # fmt: skip


def _old_lock(root: Path) -> "Lock | None":
    from bertspec.core.errors import InputError
    from bertspec.pipeline.layout import LOCK_FILE
    from bertspec.pipeline.lock import read_lock

    try:
        return read_lock(root)
    except InputError:
        click.echo(
            f"{LOCK_FILE} could not be read: it is written anew, with threads and device of this "
            "machine where they are not given, and everything else as it is now",
            err=True,
        )
        return None
