"""When a stage was last made anew, by the versions of dvc.lock that git has."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from bertspec.core.program import ask
from bertspec.core.values import ABSENT
from bertspec.core.yaml import load_plain
from bertspec.pipeline.layout import DVC_LOCK
from bertspec.planning.differences import Explain
from bertspec.planning.entry import Entry, Locked
from bertspec.planning.plan import Reason, What

_MOST = 500
"""Commits that are looked at."""


@dataclass(frozen=True)
class Rebuild:
    """The newest version of dvc.lock in which a stage is not as it was in the one before."""

    commit: str | None
    """None for what is not committed yet."""
    date: str | None
    first: bool
    """Whether it was not there before, as far as git knows."""
    or_before: bool
    """Whether it may have been made before that: git has more versions than are looked at."""
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class _Version:
    commit: str | None
    date: str | None
    block: str | None
    """What it says of the stage."""


def last_rebuild(root: Path, entry: Entry, explain: Explain) -> Rebuild | None:
    """None for a stage that dvc.lock has not.

    A version without the stage tells nothing while an older one has it: merging leaves an entry out
    where the sides differ in it, and the next run puts it back.
    """
    versions = _versions(root, entry.name)
    newest = last = next(versions, _Version(None, None, None))
    if newest.block is None:
        return None
    for seen, version in enumerate(versions):
        if seen == _MOST:
            first = last is newest  # no commit has it
            return Rebuild(last.commit, last.date, first=first, or_before=not first, reasons=())
        if version.block == newest.block:
            last = version
        elif version.block is not None:
            reasons = tuple(_reasons(entry, version.block, newest.block, explain))
            return Rebuild(last.commit, last.date, first=False, or_before=False, reasons=reasons)
    return Rebuild(last.commit, last.date, first=True, or_before=False, reasons=())


def _versions(root: Path, name: str) -> Iterator[_Version]:
    """What is here, then what was committed, newest first."""
    try:
        yield _Version(None, None, _block((root / DVC_LOCK).read_text(encoding="utf-8"), name))
    except (OSError, UnicodeDecodeError):
        return
    log = _git(root, "log", f"--max-count={_MOST + 1}", "--format=%h %cs", "--", DVC_LOCK) or ""
    for line in log.splitlines():
        commit, _, date = line.partition(" ")
        text = _git(root, "show", f"{commit}:./{DVC_LOCK}")
        yield _Version(commit, date, None if text is None else _block(text, name))


def _git(root: Path, *arguments: str) -> str | None:
    """What git says, or None where it refuses or is not there."""
    answer = ask("git", *arguments, folder=root)
    return answer.out if answer.code == 0 else None


def _block(text: str, name: str) -> str | None:
    """The lines below a stage, as DVC writes them: parsing all of a long file takes longer."""
    found = re.search(rf"^  {re.escape(name)}:\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    return found[1] if found else None


def _reasons(entry: Entry, older: str | None, newer: str, explain: Explain) -> Iterator[Reason]:
    old, new = _read(older), _read(newer)
    if old is None or new is None:
        return
    if old.cmd != new.cmd:
        yield Reason(What.COMMAND, "its command", old=old.cmd, new=new.cmd)
    for file, values in new.params.items():
        before = old.params.get(file) or {}
        for key, value in values.items():
            if before.get(key, ABSENT) != value and entry.compiled:
                for reason in explain(entry, key, before.get(key, ABSENT), value):
                    yield replace(reason, position=None)  # of now, and not of then
            elif before.get(key, ABSENT) != value:
                yield Reason(What.FIELD, f"{file} {key}", path=file, field=(key,))
    for path, digest in new.deps.items():
        if old.deps.get(path) != digest:
            place = entry.place(path)
            yield Reason(What.INPUT, f"{place} changed", path=place)


def _read(block: str | None) -> Locked | None:
    try:
        content = load_plain(block or "")
    except yaml.YAMLError:
        return None
    return Locked.read(content) if isinstance(content, dict) else None
