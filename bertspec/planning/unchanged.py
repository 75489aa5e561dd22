"""A plan with nothing to run, kept with all that it was made from, so that it need not be made
again while that stays as it is. Everything is looked at again; only compiling is saved.
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import bertspec
from bertspec.core.looks import Looks, all_the_same
from bertspec.planning.hashes import Hashes
from bertspec.planning.memory import load, store
from bertspec.planning.plan import Plan
from bertspec.planning.repository import settings_files
from bertspec.planning.store import Store

_KEPT = "unchanged"
_PROGRAMS = ("pydantic", "pydantic_core", "yaml")
"""Packages by which a spec is read."""


def kept_plan(root: Path, paths: Sequence[Path]) -> Plan | None:
    """The plan for these arguments, when there was nothing to run and nothing has changed."""
    kept = load(root, _KEPT)
    if not isinstance(kept, dict) or kept.get("of") != _identity(root, paths):
        return None
    hashes = Hashes(root)
    cache = Store(Path(kept["cache"]) if kept["cache"] else None, hashes)
    if not all_the_same(kept["looks"], {"digest": hashes.of, "held": cache.holds}):
        return None
    hashes.keep()
    about: dict[str, Any] = kept["plan"]
    gone, dry, stale, notes = (tuple(about[name]) for name in ("gone", "dry", "stale", "notes"))
    return Plan((), about["total"], gone, dry, stale, notes)


def keep_plan(
    root: Path, paths: Sequence[Path], plan: Plan, cache: Path | None, looks: Looks
) -> None:
    """Keep a plan with nothing to run. `looks` are all that it and what it is of were made from."""
    about = {name: getattr(plan, name) for name in ("total", "gone", "dry", "stale", "notes")}
    place = None if cache is None else str(cache)
    identity = _identity(root, paths)
    store(root, _KEPT, {"of": identity, "looks": looks, "cache": place, "plan": about})


def _identity(root: Path, paths: Sequence[Path]) -> str:
    """All else that a plan depends on: the project's place, the arguments, the programs."""
    parts = [str(root), *map(str, paths), "", sys.version, *map(str, settings_files(root))]
    parts.append(os.path.expanduser("~"))  # noqa: PTH111 - as it never raises; settings may say `~`
    parts += _states_of_programs()
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _states_of_programs() -> Iterator[str]:
    """What another version, or an edit of this one, changes."""
    for name in _PROGRAMS:
        if (found := PathFinder.find_spec(name)) and found.origin:
            yield _state(found.origin)
            yield from map(str, Path(found.origin).parent.parent.glob(f"{name}-*.dist-info"))
    for folder, below, files in os.walk(Path(bertspec.__file__).parent):
        below[:] = sorted(name for name in below if name != "__pycache__")
        yield from (_state(f"{folder}{os.sep}{name}") for name in sorted(files))


def _state(file: str) -> str:
    try:
        about = os.stat(file)  # noqa: PTH116 - of hundreds of files
    except OSError:  # such as the lock of an editor, which is a link to nothing
        return f"{file} gone"
    return f"{file} {about.st_size} {about.st_mtime_ns}"
