"""How much is told beside results and errors; processes that a command starts inherit it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = "BERTSPEC_QUIET"
VERBOSE = "BERTSPEC_VERBOSE"


@contextmanager
def verbosity(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Hold to it in this block."""
    before = {name: os.environ.get(name) for name in (QUIET, VERBOSE)}
    os.environ.update({QUIET: str(int(quiet)), VERBOSE: str(int(verbose))})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def is_quiet() -> bool:
    return os.environ.get(QUIET) == "1"


def is_verbose() -> bool:
    return os.environ.get(VERBOSE) == "1"


def note(text: str) -> None:
    """Tell on standard error what is neither a result nor a warning, unless it is to be quiet."""
    if not is_quiet():
        print(text, file=sys.stderr)


def did(text: str) -> None:
    """Tell on standard output what was done, unless it is to be quiet."""
    if not is_quiet():
        print(text)
