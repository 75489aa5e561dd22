"""Versions that are installed, beside those that the lock has."""

import platform
import shlex
from collections.abc import Iterable, Iterator
from importlib import metadata

import bertspec
from bertspec.core.packages import distribution_name, public_version
from bertspec.pipeline.lock import Lock
from bertspec.runtime.doctor.line import Line, State


def versions(used: Iterable[str], lock: Lock | None) -> Iterator[Line]:
    """Lines on Python, bertspec, and each distribution that is used or locked."""
    python, own = platform.python_version(), bertspec.__version__
    yield Line("packages", "python", State.GOOD, python, facts={"installed": python})
    locked = lock.packages if lock else {}
    names = {*map(distribution_name, used), *locked}
    if "bertspec" not in names:  # as where no spec has an export
        yield Line("packages", "bertspec", State.GOOD, own, facts={"installed": own})
    for name in sorted(names):
        yield _package(name, locked.get(name))


def _package(name: str, locked: str | None) -> Line:
    try:
        installed = public_version(name)
    except (metadata.PackageNotFoundError, ValueError):  # ValueError: no name at all
        text = f"not installed, locked is {locked}" if locked else "not installed"
        facts = {"installed": None, "locked": locked}
        return Line("packages", name, State.WRONG, text, _install(name, locked), facts)
    facts = {"installed": installed, "locked": locked}
    if locked is None:
        return Line("packages", name, State.GOOD, installed, facts=facts)
    if installed == locked:
        return Line("packages", name, State.GOOD, f"{installed}, as locked", facts=facts)
    advice = f"{_install(name, locked)}, or `bertspec lock` and `bertspec compile`, which rebuilds"
    text = f"{installed}, locked is {locked}"
    return Line("packages", name, State.WRONG, text, advice, facts)


def _install(name: str, version: str | None) -> str:
    return f"pip install {shlex.quote(f'{name}=={version}' if version else name)}"
