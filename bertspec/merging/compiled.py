"""Merge the texts of compiled files, with what is the user's own in them."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bertspec.compiler.emit import (
    is_generated,
    put_params,
    put_stages,
    without_params,
    without_stages,
)
from bertspec.core.yaml import load_plain
from bertspec.merging.kept import keep, kept
from bertspec.merging.lockfile import merge_lock
from bertspec.merging.merge import by_lines
from bertspec.merging.params import merge_params
from bertspec.merging.pipeline import merge_stages
from bertspec.merging.sharing import Told
from bertspec.merging.values import Key, merge_values
from bertspec.pipeline.layout import DVC_FILE, DVC_LOCK, LOCK_FILE, PARAMS_FILE
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import RECORDS

Merged = tuple[str, bool, str]
"""The text, whether it is final, and what to tell; empty for nothing."""

_COMPILE = "once the specs are merged, run `bertspec compile` and `git add` it"


class _ByLines(Exception):
    """Only git can merge this, or the user."""


def _params(base: str, ours: str, theirs: str) -> Merged:
    generated = [_compiled_keys(text) for text in (base, ours, theirs)]
    own, conflicts, told = merge_params(*generated)
    keep(Told({}) if conflicts else told)
    frame = _frame((base, ours, theirs), without_params)
    return put_params(own, frame), not conflicts, _told(conflicts)


def _compiled_keys(text: str) -> dict[str, Any]:
    values = load_plain(text) or {}
    keys = (values.get(RECORDS) or {}).get("compiled") or ()
    return {key: values[key] for key in keys if key in values}


def _dvc(base: str, ours: str, theirs: str) -> Merged:
    before, mine, other = (_compiled_stages(text) for text in (base, ours, theirs))
    own, conflicts = merge_stages(before, mine, other, kept())
    frame = _frame((base, ours, theirs), without_stages)
    return put_stages(own, frame), not conflicts, _told(conflicts)


def _compiled_stages(text: str) -> dict[str, Any]:
    stages = (load_plain(text) or {}).get("stages") or {}
    return {name: stage for name, stage in stages.items() if is_generated(name, stage)}


def _told(conflicts: Sequence[Key]) -> str:
    if not conflicts:
        return ""
    more = f" and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
    return f"`{'.'.join(conflicts[0])}`{more} cannot be told from both sides: {_COMPILE}"


def _frame(texts: tuple[str, str, str], without: Callable[[str], str]) -> str:
    """The text in which what is compiled is replaced: with what both sides have of their own.

    Raises _ByLines where that cannot be put together.
    """
    base, ours, theirs = map(without, texts)
    if theirs in (base, ours):
        return texts[1]
    if ours == base:
        return texts[2]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("base", "ours", "theirs")]
        for file, text in zip(files, (base, ours, theirs), strict=True):
            file.write_bytes(text.encode())
        if not by_lines(files):
            raise _ByLines("what is yours in it differs")
        return files[1].read_bytes().decode()


def _dvc_lock(base: str, ours: str, theirs: str) -> Merged:
    text, dropped = merge_lock(base, ours, theirs)
    told = f"both sides ran {', '.join(dropped)}, neither with all changes: `dvc repro` runs it"
    return text, True, told if dropped else ""


def _lock(base: str, ours: str, theirs: str) -> Merged:
    conflicts: list[Key] = []
    merged = merge_values([load_plain(text) or {} for text in (base, ours, theirs)], conflicts)
    if conflicts:
        raise _ByLines(f"both sides changed {conflicts[0][-1]}; `bertspec lock` writes it anew")
    return Lock.model_validate(merged).to_text(), True, ""


MERGES: dict[str, Callable[[str, str, str], Merged]] = {
    PARAMS_FILE: _params,
    DVC_FILE: _dvc,
    DVC_LOCK: _dvc_lock,
    LOCK_FILE: _lock,
}
