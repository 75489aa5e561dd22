"""A pipeline -> the text of params.yaml and of dvc.yaml, whose other stages stay as they are."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import yaml

from bertspec.compiler.keep import Content, Present, check_kept, column
from bertspec.core.errors import InputError
from bertspec.core.yaml import dump, load_plain
from bertspec.pipeline.layout import COMMAND, DVC_FILE, PARAMS_FILE
from bertspec.pipeline.stage import (
    EXECUTION,
    HARDWARE,
    RECORDS,
    Output,
    OutputKind,
    Pipeline,
    Stage,
)

DVC_HEADER = (
    "# The stages whose command is `bertspec stage` are compiled from specs/: change the spec and\n"
    "# run `bertspec compile`, which drops comments in them. Other stages are yours, and stay.\n"
)
PARAMS_HEADER = (
    "# Compiled from specs/ by `bertspec compile`, which drops comments in it: every default\n"
    "# written out. Top-level keys not listed in `bertspec.compiled` are yours, and stay.\n"
)

_ORIGIN = "compiled by bertspec from "
KEPT = ("frozen", "always_changed", "meta")
"""Keys of a compiled stage that are the user's: they change no result. `dvc freeze` writes one."""


def emit_params(pipeline: Pipeline, existing: str | None) -> str:
    """The text of params.yaml. `existing` is its present text, for the keys that are not ours.

    Raises InputError for a present file that cannot be read or kept (E209) or that has a key of
    ours (E210).
    """
    return put_params(compiled_params(pipeline), existing or "")


def put_params(own: dict[str, Any], existing: str) -> str:
    """The text with `own` in the place of what an earlier run wrote. Raises as `emit_params`."""
    present = Present.read(existing, PARAMS_FILE)
    previous = _compiled(present)
    theirs = {key: value for key, value in present.content.items() if key not in previous}
    _refuse_clash(f"{PARAMS_FILE} has the key", own.keys() & theirs.keys())
    gone = _written(present)
    text = present.replace(gone, 0, "")
    if own[RECORDS]["stages"] or not text.strip():
        block = PARAMS_HEADER + _indented(dump(own), present.indent)
        text = present.replace(gone, min(gone, default=present.top), block)
        theirs |= Present.read(dump(own), PARAMS_FILE).content
    check_kept(text, PARAMS_FILE, theirs, {})
    return _unless_same(present, text)


def without_params(text: str) -> str:
    """The text without what an earlier run wrote. Raises InputError (E209)."""
    present = Present.read(text, PARAMS_FILE)
    return present.replace(_written(present), 0, "")


def _written(present: Present) -> set[int]:
    """The lines that an earlier run wrote."""
    previous = _compiled(present)
    old = [entry for key, entry in present.entries(present.root).items() if key in previous]
    header = present.header(old[0], PARAMS_HEADER) if old else range(0)
    return {*header, *(number for entry in old for number in entry.lines)}


def compiled_params(pipeline: Pipeline) -> dict[str, Any]:
    """The keys of params.yaml that are ours."""
    own: dict[str, Any] = dict(sorted(pipeline.params.items()))
    stages = sorted(pipeline.stages, key=lambda s: s.name)
    records = {stage.name: stage.record for stage in stages}
    execution = {stage.name: dict(stage.execution) for stage in stages if stage.execution}
    about: dict[str, Any] = {"compiled": [RECORDS, *own], "stages": records}
    if execution:
        about[EXECUTION] = execution
    if pipeline.hardware:
        about[HARDWARE] = pipeline.hardware.model_dump(mode="json")
    return {RECORDS: about, **own}


def emit_dvc(pipeline: Pipeline, existing: str | None) -> str:
    """The text of dvc.yaml. `existing` is its present text; what we did not write stays in it.

    Raises InputError for a present file that cannot be read or kept (E209) or that has a stage
    with a name of ours (E210).
    """
    present = Present.read(existing or "", DVC_FILE)
    stages = _stages(present)
    generated = {name: stage for name, stage in stages.items() if is_generated(name, stage)}
    theirs = {name: stage for name, stage in stages.items() if name not in generated}
    _refuse_changed({stage.name for stage in pipeline.stages}, theirs)
    _refuse_clash(f"{DVC_FILE} has a stage", {s.name for s in pipeline.stages} & theirs.keys())
    values = load_plain(present.text)["stages"] if generated else {}
    own = compiled_stages(pipeline, {name: values[name] for name in generated})
    text = _with_stages(_without(present, generated.keys()), own)
    compiled = Present.read(dump(own), DVC_FILE).content
    for name in own.keys() & generated.keys():
        compiled[name] |= _kept(generated[name])
    wanted = {"stages": compiled | theirs}
    check_kept(text, DVC_FILE, present.content | wanted, {"stages": {}})
    return _unless_same(present, text)


def put_stages(own: dict[str, Any], existing: str) -> str:
    """The text with the stages `own` in the place of all that an earlier run wrote.

    Raises InputError (E209) for a text that cannot be read or kept.
    """
    present = Present.read(existing, DVC_FILE)
    stages = _stages(present)
    generated = {name for name, stage in stages.items() if is_generated(name, stage)}
    theirs = {name: stage for name, stage in stages.items() if name not in generated}
    text = _with_stages(_without(present, generated), own)
    wanted = {"stages": Present.read(dump(own), DVC_FILE).content | theirs}
    check_kept(text, DVC_FILE, present.content | wanted, {"stages": {}})
    return text


def without_stages(text: str) -> str:
    """The text without the stages that an earlier run wrote. Raises InputError (E209)."""
    present = Present.read(text, DVC_FILE)
    stages = _stages(present)
    return _without(present, {n for n, s in stages.items() if is_generated(n, s)}).text


def compiled_stages(
    pipeline: Pipeline, present: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml that are ours. `present` are those that an earlier run wrote."""
    return {
        stage.name: _dvc_stage(stage) | _kept(present.get(stage.name, {}))
        for stage in pipeline.stages
    }


def _kept(stage: Mapping[str, Any]) -> dict[str, Any]:
    # In the order that they stand in: DVC adds a key below the others.
    return {key: value for key, value in stage.items() if key in KEPT}


def _unless_same(present: Present, text: str) -> str:
    """`text`, or the present text where it says the same, as DVC writes it after an experiment."""
    same = Present.read(text, present.file).content == present.content
    return present.text if same else text


def _compiled(present: Present) -> list[str]:
    """The top-level keys of params.yaml that an earlier run wrote."""
    records = present.content.get(RECORDS, {"compiled": []})
    keys = records.get("compiled") if isinstance(records, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError.of(
            "E209",
            f"`{RECORDS}.compiled` in {PARAMS_FILE} is not a list of keys",
            f"delete the key `{RECORDS}` and what is compiled, and compile again",
        )
    return keys


def _stages(present: Present) -> dict[Content, Content]:
    stages = present.content.get("stages")
    if stages is None:
        return {}
    if not isinstance(stages, dict):
        raise InputError.of(
            "E209", f"`stages` in {DVC_FILE} is not a mapping", "write `name:` and its keys below"
        )
    return stages


def _refuse_changed(names: AbstractSet[str], theirs: Mapping[Content, Content]) -> None:
    for name in sorted(names & theirs.keys()):
        stage = theirs[name]
        desc = stage.get("desc") if isinstance(stage, dict) else None
        if isinstance(desc, str) and desc.startswith(_ORIGIN):
            raise InputError.of(
                "E210",
                f"the command of the compiled stage `{name}` in {DVC_FILE} was changed",
                f"write `cmd: {COMMAND}{name}` again; to keep yours, give the stage another name",
            )


def _refuse_clash(what: str, names: AbstractSet[Content]) -> None:
    if names:
        raise InputError.of(
            "E210",
            f"{what} `{min(names)}` of your own, and a spec needs the name",
            "rename yours or the spec",
        )


def _without(present: Present, generated: AbstractSet[str]) -> Present:
    """The file without the generated stages; `stages:` stays, with nothing behind it if it can."""
    entry = present.entries(present.root).get("stages")
    if entry is None:
        return present
    if _stages(present).keys() == generated and _is_inline(entry.value):
        return Present.read(present.without_value(entry.value), DVC_FILE)
    entries = present.entries(entry.value)
    gone = {number for name in generated for number in entries[name].lines}
    return Present.read(present.replace(gone, 0, ""), DVC_FILE)


def _with_stages(present: Present, own: dict[str, Any]) -> str:
    """The text with our stages first below `stages:`, which is written when it is missing."""
    entry = present.entries(present.root).get("stages")
    if entry is None:
        if not own and present.text.strip():
            return present.text
        block = DVC_HEADER + _indented(dump({"stages": own}), present.indent)
        return present.replace((), present.top, block)
    theirs = entry.value if isinstance(entry.value, yaml.MappingNode) else None
    if own:
        indent = column(theirs) if theirs else present.indent + 2
        return present.replace((), entry.lines.start + 1, _indented(dump(own), indent))
    if theirs:
        return present.text
    if header := present.header(entry, DVC_HEADER):
        bare = Present.read(present.replace({*header, *entry.lines}, 0, ""), DVC_FILE)
        return _with_stages(bare, own)
    return present.with_value(entry.value, "{}")


def _is_inline(node: yaml.Node) -> bool:
    return not isinstance(node, yaml.CollectionNode) or bool(node.flow_style)


def _indented(text: str, indent: int) -> str:
    return "".join(" " * indent + line for line in text.splitlines(keepends=True))


def _dvc_stage(stage: Stage) -> dict[str, Any]:
    # In DVC's own order, so that it moves no line when it writes the file, as `dvc freeze` does.
    outputs = sorted(stage.outputs.values(), key=lambda output: output.path)
    params = set(stage.params.values())
    entry: dict[str, Any] = {
        "desc": _ORIGIN + stage.origin,
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


def is_generated(name: Content, stage: Content) -> bool:
    """Whether a stage of dvc.yaml is ours."""
    return isinstance(stage, dict) and isinstance(name, str) and stage.get("cmd") == COMMAND + name
