"""A pipeline -> the text of params.yaml and of dvc.yaml, whose other stages stay as they are."""

from typing import Any

import yaml

from bertspec.core.errors import InputError
from bertspec.core.yaml import compose, dump, load_plain
from bertspec.pipeline.layout import DVC_FILE, PARAMS_FILE
from bertspec.pipeline.stage import RECORDS, Output, OutputKind, Pipeline, Stage

COMMAND = "bertspec stage "
"""A stage is ours when its command is this and its own name; so a reader can tell, too."""

DVC_HEADER = (
    "# The stages whose command is `bertspec stage` are compiled from specs/: change the spec and\n"
    "# run `bertspec compile`. Other stages are yours, and stay as they are.\n"
)
PARAMS_HEADER = (
    "# Compiled from specs/ by `bertspec compile`: every default written out. Keys that are not\n"
    "# listed in `bertspec.compiled` are yours, and stay as they are.\n"
)


def emit_params(pipeline: Pipeline, existing: str | None) -> str:
    """The text of params.yaml. `existing` is its present text, for the keys that are not ours.

    Raises InputError for a present file that is not YAML (E209) or has a key of ours (E210).
    """
    own: dict[str, Any] = dict(sorted(pipeline.params.items()))
    records = {stage.name: stage.record for stage in sorted(pipeline.stages, key=lambda s: s.name)}
    own = {RECORDS: {"compiled": [RECORDS, *own], "stages": records}, **own}
    text = PARAMS_HEADER + dump(own)
    if existing is None:
        return text
    values = _load(existing, PARAMS_FILE)
    previous = (values.get(RECORDS) or {}).get("compiled") or []
    clash = sorted(set(own) & (set(values) - set(previous)))
    if clash:
        raise InputError.of(
            "E210",
            f"{PARAMS_FILE} has the key `{clash[0]}` of your own, and a spec needs it",
            "rename your key or the spec",
        )
    kept = _top_level_blocks(existing, set(values) - set(previous))
    return text + "".join(kept)


def emit_dvc(pipeline: Pipeline, existing: str | None) -> str:
    """The text of dvc.yaml. `existing` is its present text; what we did not write stays in it.

    Raises InputError (E209) for a present file that is not block-style YAML.
    """
    if existing is None or not existing.strip():
        return DVC_HEADER + "stages:\n" + _stages(pipeline, 2)
    values = _load(existing, DVC_FILE)
    present = values.get("stages") or {}
    generated = {name for name, stage in present.items() if _is_generated(name, stage)}
    clash = sorted({s.name for s in pipeline.stages} & (set(present) - generated))
    if clash:
        raise InputError.of(
            "E210",
            f"{DVC_FILE} has a stage `{clash[0]}` of your own, and a spec needs the name",
            "rename your stage or the spec",
        )
    lines = existing.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    head = next((i for i, line in enumerate(lines) if line.startswith("stages:")), None)
    if head is None:
        return "".join(lines) + "stages:\n" + _stages(pipeline, 2)
    written = lines[head].removeprefix("stages:").strip()
    if written and not written.startswith("#"):
        if present:
            raise InputError.of(
                "E209",
                f"`stages` in {DVC_FILE} is written in braces",
                "write it as a block, a stage a line",
            )
        lines[head] = "stages:\n"
    indent, kept = _without(lines, head, generated)
    kept.insert(head + 1, _stages(pipeline, indent))
    if not pipeline.stages and set(present) == generated:
        kept[head] = "stages: {}\n"
    return "".join(kept)


def _stages(pipeline: Pipeline, indent: int) -> str:
    if not pipeline.stages:
        return ""
    text = dump({stage.name: _dvc_stage(stage) for stage in pipeline.stages})
    return "".join(" " * indent + line for line in text.splitlines(keepends=True))


def _dvc_stage(stage: Stage) -> dict[str, Any]:
    outputs = list(stage.outputs.values())
    params = {key for keys in stage.params.values() for key in keys}
    entry: dict[str, Any] = {
        "desc": f"compiled by bertspec from {stage.origin}",
        "cmd": COMMAND + stage.name,
        "deps": sorted({*stage.inputs.values(), *stage.sources}),
        "params": sorted({*params, f"{RECORDS}.stages.{stage.name}"}),
        "outs": [o.path for o in outputs if o.kind in (OutputKind.ARTIFACT, OutputKind.FILE)],
        "metrics": [{o.path: {"cache": False}} for o in outputs if o.kind is OutputKind.METRIC],
        "plots": [_plot(o) for o in outputs if o.kind is OutputKind.PLOT],
    }
    return {key: value for key, value in entry.items() if value}


def _plot(output: Output) -> dict[str, Any]:
    return {output.path: {"cache": False, **output.plot}}


def _is_generated(name: str, stage: Any) -> bool:
    return isinstance(stage, dict) and stage.get("cmd") == COMMAND + name


def _without(lines: list[str], head: int, names: set[str]) -> tuple[int, list[str]]:
    """The lines without the blocks of the named stages, and the indent of the stages.

    A block is the line of its key and the deeper lines below it: what we wrote holds no comment
    and no blank line, so those are the user's and stay.
    """
    entries = [n for n in range(head + 1, len(lines)) if _is_content(lines[n])]
    if not entries or not lines[entries[0]].startswith(" "):
        return 2, list(lines)
    indent = _indent(lines[entries[0]])
    kept: list[str] = lines[: head + 1]
    skipping = False
    for number in range(head + 1, len(lines)):
        line = lines[number]
        depth = _indent(line)
        if _is_content(line) and depth <= indent:
            key = line.strip().split(":")[0].strip("'\"")
            skipping = depth == indent and key in names
        elif depth <= indent:
            skipping = False
        if not skipping:
            kept.append(line)
    return indent, kept


def _top_level_blocks(text: str, names: set[str]) -> list[str]:
    """The user's top-level keys with the comments above them, as they are written."""
    kept: list[str] = []
    pending: list[str] = []
    keeping = False
    for line in text.removeprefix(PARAMS_HEADER).splitlines(keepends=True):
        if _is_content(line) and _indent(line) == 0 and not line.startswith("- "):
            keeping = line.split(":")[0].strip().strip("'\"") in names
            if keeping:
                kept += pending
            pending = []
        if not _is_content(line) and _indent(line) == 0:
            pending.append(line)
        elif keeping:
            kept += [*pending, line]
            pending = []
    return kept


def _is_content(line: str) -> bool:
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _load(text: str, file: str) -> dict[str, Any]:
    try:
        compose(text)
        values = load_plain(text)
    except yaml.YAMLError as error:
        raise InputError.of(
            "E209", f"{file} is not YAML: {error}", "put it right, or delete it and compile again"
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError.of("E209", f"{file} is not a mapping", "delete it and compile again")
    return values
