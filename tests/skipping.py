"""Skip what a machine does not allow: with BERTSPEC_NO_SKIPS, such as in CI, that is a failure."""

import os
from typing import NoReturn

import pytest


def skip_here(reason: str) -> NoReturn:
    """End the test, as this machine lacks a right or a program that it needs."""
    if os.environ.get("BERTSPEC_NO_SKIPS"):
        pytest.fail(f"it would be skipped: {reason}")
    pytest.skip(reason)
