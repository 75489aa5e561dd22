"""Merge dvc.lock: each stage as a whole from one side, so that no entry says what never ran."""

from collections.abc import Mapping
from typing import Any

from bertspec.compiler.keep import Entry, Present
from bertspec.core.values import ABSENT
from bertspec.core.yaml import load_plain
from bertspec.merging.values import Key, equal, merge_values
from bertspec.pipeline.layout import DVC_LOCK


def merge_lock(base: str, ours: str, theirs: str) -> tuple[str, list[str]]:
    """The merged text, every entry as DVC wrote it, and the stages that are left out of it.

    An entry says with which inputs a stage made which outputs. Where both sides ran a stage, the
    one is kept that ran with the inputs of both. If neither did, the stage is to run: with an entry
    of one side, revisions would be compared by a model that no spec describes.
    Raises InputError (E209) or ValueError for texts that are not as DVC writes them.
    """
    texts = (base, ours, theirs)
    values = [load_plain(text) or {} for text in texts]
    conflicts: list[Key] = []
    rests = [{k: v for k, v in value.items() if k != "stages"} for value in values]
    rest = merge_values(rests, conflicts)
    if conflicts or not equal(rest, rests[1] or rest):
        raise ValueError("more than stages is to be merged")
    stages = [value.get("stages") or {} for value in values]
    blocks: dict[str, str] = {}
    dropped = []
    of_ours, of_theirs = _blocks(ours), _blocks(theirs)
    for name in [*of_ours, *(n for n in of_theirs if n not in of_ours)]:
        before, mine, other = (side.get(name, ABSENT) for side in stages)
        kept = _kept(before, mine, other)
        if kept is None:
            dropped.append(name)
        elif kept is not ABSENT:
            blocks[name] = of_ours[name] if kept is mine else of_theirs[name]
    return _with_blocks(ours if of_ours else theirs, blocks), dropped


def _kept(before: Any, mine: Any, other: Any) -> Any:
    """The entry of one side, ABSENT for a stage that is gone, None where neither holds."""
    if equal(mine, other) or equal(before, other):
        return mine
    if equal(before, mine) or mine is ABSENT:
        return other
    if other is ABSENT:
        return mine
    conflicts: list[Key] = []
    inputs = merge_values([*map(_inputs, (before, mine, other))], conflicts)
    if conflicts:
        return None
    return next((side for side in (mine, other) if equal(_inputs(side), inputs)), None)


def _inputs(entry: Any) -> Any:
    """All that decides what a stage makes."""
    if entry is ABSENT:
        return {}
    deps = {dep["path"]: dep for dep in entry.get("deps") or ()}
    return {"cmd": entry.get("cmd"), "deps": deps, "params": entry.get("params") or {}}


def _entries(present: Present) -> dict[str, Entry]:
    stages = present.entries(present.root).get("stages")
    return present.entries(stages.value) if stages else {}


def _blocks(text: str) -> dict[str, str]:
    present = Present.read(text, DVC_LOCK)
    return {
        str(name): "".join(_ended(present.lines[n]) for n in entry.lines)
        for name, entry in _entries(present).items()
    }


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n"


def _with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """The text with these entries in place of its own."""
    present = Present.read(text, DVC_LOCK)
    entries = _entries(present)
    gone = {number for entry in entries.values() for number in entry.lines}
    if not entries or not blocks:
        return "schema: '2.0'\nstages: {}\n" if not blocks else text
    first = min(entry.lines.start for entry in entries.values())
    return present.replace(gone, first, "".join(blocks.values()))
