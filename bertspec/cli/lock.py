"""`bertspec lock`."""

from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of the stages that compute; by default the lock's, else this machine's cores.",
)
def command(paths: tuple[Path, ...], threads: int | None) -> None:
    """Write bertspec.lock: the installed version of each package that a stage uses, and threads.

    PATHS are all specs of the project, by default those in `specs`. With the specs the lock
    determines every artifact: another number of threads gives other bits. Commit it.

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
        click.echo(f"{LOCK_FILE} could not be read: it is written anew", err=True)
        old = None
    lock = Lock(
        threads=threads or (old.threads if old else available_cores()),
        packages=installed_versions(packages_used(loaded.specs)),
    )
    written = write_if_changed(root / LOCK_FILE, lock.to_text())
    did = "written" if written else "up to date"
    click.echo(f"{LOCK_FILE} {did}: {len(lock.packages)} packages, threads: {lock.threads}")
