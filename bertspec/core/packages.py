"""Versions of installed packages, as the lock has them."""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata

from bertspec.core.errors import EnvironmentFault

EXTRAS = {"openvino": "'bertspec[openvino]'", "securesystemslib": "'bertspec[sign]'"}
"""What to install for a package that one kind of a choice needs and no stage else."""


def distribution_name(package: str) -> str:
    """The normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def public_version(package: str) -> str:
    """The installed version without its local part, so `2.13.0+cpu` is `2.13.0` (PEP 440).

    Raises importlib.metadata.PackageNotFoundError.
    """
    return metadata.version(distribution_name(package)).partition("+")[0]


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Public version of each distribution. Raises EnvironmentFault (E502) for missing ones."""
    versions: dict[str, str] = {}
    missing = []
    for package in packages:
        try:
            versions[package] = public_version(package)
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        raise EnvironmentFault.of(
            "E502",
            f"not installed: {', '.join(missing)}",
            f"pip install {' '.join(EXTRAS.get(package, package) for package in missing)}",
        )
    return versions


@contextmanager
def of_extra(extra: str, packages: Collection[str], user: str) -> Iterator[None]:
    """Inside, `packages` of an extra are imported, for what `user` says.

    Raises EnvironmentFault (E502) for one of them that is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise EnvironmentFault.of(
            "E502",
            f"not installed: {error.name}, which {user}",
            f"pip install 'bertspec[{extra}]'",
        ) from None


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
