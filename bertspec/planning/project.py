"""A project as it would be compiled, and as dvc.lock has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.compiler.emit import (
    compiled_params,
    compiled_stages,
    emit_dvc,
    emit_params,
    is_generated,
)
from bertspec.pipeline.layout import DVC_FILE, DVC_LOCK, PARAMS_FILE
from bertspec.pipeline.stage import RECORDS, Pipeline
from bertspec.planning.entry import Entry, Locked, read_entry
from bertspec.planning.yaml_file import read_mapping, same

_KEEP = "keep one side of each conflict, or delete what is compiled and run `bertspec compile`"
_OURS = ("desc", "cmd", "deps", "params", "outs", "metrics", "plots")
"""Keys of a compiled stage that are not the user's."""


@dataclass(frozen=True)
class Project:
    """What a plan is made from."""

    root: Path
    entries: Mapping[str, Entry]
    """Stages of dvc.yaml once it is compiled."""
    locked: Mapping[str, Locked]
    params: Mapping[str, Any]
    """params.yaml once it is compiled."""
    gone: tuple[str, ...]
    stale: tuple[str, ...]
    unread: tuple[str, ...]
    """Stages of the user's own that only DVC understands."""


def read_project(root: Path, pipeline: Pipeline) -> Project:
    """Raises InputError: E209 for dvc.yaml or params.yaml, E218 for dvc.lock."""
    present = read_mapping(root, DVC_FILE, "E209", _KEEP)
    stages = present.get("stages") or {}
    ours = compiled_params(pipeline)
    values = read_mapping(root, PARAMS_FILE, "E209", _KEEP)
    before = _compiled_before(values)
    if not isinstance(stages, dict) or before is None:
        _refuse(root, pipeline)
    generated = {name: stage for name, stage in stages.items() if is_generated(name, stage)}
    own = compiled_stages(pipeline, generated)
    theirs = {name: stage for name, stage in stages.items() if name not in generated}
    their_params = {key: value for key, value in values.items() if key not in (before or ())}
    if theirs.keys() & own.keys() or their_params.keys() & ours.keys():
        _refuse(root, pipeline)
    by_name = {stage.name: stage for stage in pipeline.stages}
    read = {n: read_entry(n, v, by_name.get(n)) for n, v in {**own, **theirs}.items()}
    stale = []
    if {n: _of_ours(s) for n, s in own.items()} != {n: _of_ours(s) for n, s in generated.items()}:
        stale.append(DVC_FILE)
    written = {key: values[key] for key in before or () if key in values}
    # What Python finds to differ, which it soon does, differs in YAML.
    if written != ours or not same(written, ours):
        stale.append(PARAMS_FILE)
    return Project(
        root=root,
        entries={name: entry for name, entry in read.items() if entry is not None},
        locked=read_locked(root),
        params={**their_params, **ours},
        gone=tuple(sorted(generated.keys() - own.keys())),
        stale=tuple(stale),
        unread=tuple(sorted(str(name) for name, entry in read.items() if entry is None)),
    )


def _compiled_before(values: Mapping[str, Any]) -> Sequence[str] | None:
    """Keys that an earlier run wrote; None where that cannot be read."""
    if RECORDS not in values:
        return ()
    about = values[RECORDS]
    keys = about.get("compiled") if isinstance(about, dict) else None
    return keys if isinstance(keys, list) and all(isinstance(k, str) for k in keys) else None


def _of_ours(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {key: stage.get(key) for key in _OURS}


def _refuse(root: Path, pipeline: Pipeline) -> None:
    """Raise what `bertspec compile` raises."""
    for emit, name in ((emit_dvc, DVC_FILE), (emit_params, PARAMS_FILE)):
        file = root / name
        emit(pipeline, file.read_text(encoding="utf-8-sig") if file.exists() else None)


def read_locked(root: Path) -> dict[str, Locked]:
    """What dvc.lock has of each stage. Raises InputError (E218) where it cannot be read."""
    advice = "take one side of a conflict whole: `dvc repro` runs what differs, or restores it"
    stages = read_mapping(root, DVC_LOCK, "E218", advice).get("stages") or {}
    try:
        return {name: Locked.read(stage) for name, stage in stages.items()}
    except (AttributeError, TypeError, KeyError):
        from bertspec.core.errors import InputError

        raise InputError.of("E218", f"{DVC_LOCK} is not as DVC writes it", advice) from None
