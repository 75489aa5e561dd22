"""`bertspec lock`."""

from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of the stages that compute; by default the lock's, else this machine's cores.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="Where models are trained and evaluated; by default the lock's, else a GPU if torch sees "
    "one, else the processor.",
)
def command(
    paths: tuple[Path, ...], threads: int | None, device: Literal["cpu", "cuda"] | None
) -> None:
    """Write bertspec.lock: the installed version of each package that a stage uses, the number of
    threads, and the device.

    PATHS are all specs of the project, by default those in `specs`. With the specs the lock
    determines every artifact: another number of threads, or a GPU, gives other bits. Commit it.

    A lock that cannot be read, such as after a merge, is written anew.
    """
    from bertspec.catalog.bases.package import PackageBase
    from bertspec.compiler.checks import load_checked
    from bertspec.compiler.lower import packages_used
    from bertspec.core.diagnostics import Severity
    from bertspec.core.errors import InputError
    from bertspec.core.files import write_if_changed
    from bertspec.core.packages import available_cores, installed_versions
    from bertspec.pipeline.layout import LOCK_FILE
    from bertspec.pipeline.lock import Lock, read_lock
    from bertspec.runtime.torch_setup import best_device

    root = Path.cwd()
    loaded = load_checked(paths or (Path("specs"),), root)
    if any(d.severity is Severity.ERROR for d in loaded.diagnostics):
        raise InputError(loaded.diagnostics)
    for spec in (each.spec for each in loaded.specs):
        if isinstance(spec.model.base, PackageBase):
            spec.model.base.check_distribution()
    try:
        old = read_lock(root)
    except InputError:
        click.echo(
            f"{LOCK_FILE} could not be read: it is written anew, with threads and device of this "
            "machine where they are not given",
            err=True,
        )
        old = None
    lock = Lock(
        threads=threads or (old.threads if old else available_cores()),
        packages=installed_versions(packages_used(loaded.specs)),
        device=device or (old.device if old else best_device()),
    )
    written = write_if_changed(root / LOCK_FILE, lock.to_text())
    did = "written" if written else "up to date"
    how = f"threads: {lock.threads}, device: {lock.device}"
    click.echo(f"{LOCK_FILE} {did}: {len(lock.packages)} packages, {how}")
