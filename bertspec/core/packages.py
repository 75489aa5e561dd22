"""Versions of installed packages, as the lock has them."""

import re
from importlib import metadata


def distribution_name(package: str) -> str:
    """The normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def public_version(package: str) -> str:
    """The installed version without its local part, so `2.13.0+cpu` is `2.13.0` (PEP 440).

    Raises importlib.metadata.PackageNotFoundError.
    """
    return metadata.version(distribution_name(package)).partition("+")[0]
