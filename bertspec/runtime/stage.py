"""Run one stage: read its record, check the machine, call its runner, publish what it made."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from bertspec.core.diagnostics import Diagnostic, Severity, render
from bertspec.core.digest import digest
from bertspec.core.errors import CheckFailed, EnvironmentFault, InputError
from bertspec.core.files import make_ignored, publish, remove
from bertspec.core.manifest import Manifest, digest_files, digest_source
from bertspec.core.model import Model
from bertspec.core.names import did_you_mean
from bertspec.core.packages import public_version
from bertspec.pipeline.kinds import STAGE_KINDS, params_model
from bertspec.pipeline.layout import PARAMS_FILE, WORK_FOLDER
from bertspec.pipeline.lock import Hardware
from bertspec.pipeline.params.execution import Execution
from bertspec.pipeline.stage import EXECUTION, HARDWARE, MANIFEST, RECORDS, StageRecord
from bertspec.runtime.alone import alone
from bertspec.runtime.beginning import own_files, require_same_files, require_same_params, stamps
from bertspec.runtime.contents import contents
from bertspec.runtime.context import Context
from bertspec.runtime.durations import note_duration
from bertspec.runtime.hardware import tell_of_another_class
from bertspec.runtime.intact import intact_digest
from bertspec.runtime.reuse import Reuse
from bertspec.runtime.torch_setup import let_waiting_threads_sleep

M = TypeVar("M", bound=Model)

Runner = Callable[[Context[Any]], Sequence[Diagnostic] | None]
"""Returns what is to be told although the outputs are complete, such as a bound that does not hold.

An error among it fails the stage.
"""


def run_stage(name: str, root: Path) -> None:
    """Make the outputs of stage `name` of the project at `root`.

    Outputs appear whole or not at all. Raises InputError for params that do not fit, bad data,
    an unknown stage, a damaged input (E518), or what was changed while the stage ran (E516);
    EnvironmentFault for a package of another version than locked, or where the stage runs already
    (E517); CheckFailed, after publishing, for a requirement that does not hold.
    """
    params = read_params(root)
    record = _record(params, name)
    values = values_of(params, record)
    _require_compiled(record, name)
    model = validated(params_model(record.kind), values, name)
    execution = _execution(params, name)
    check_packages(record.packages)
    hardware = (params.get(RECORDS) or {}).get(HARDWARE)
    let_waiting_threads_sleep()
    make_ignored(root / WORK_FOLDER)
    with alone(root / WORK_FOLDER / "locks" / name, f"stage `{name}`"):
        if hardware is not None and record.threads is not None:
            locked = validated(Hardware, hardware, name)
            tell_of_another_class(name, locked, record.device or "cpu")
        found = _make(name, root, record, values, model, execution)
    if found and record.seed is not None:
        found = [replace(d, severity=Severity.WARNING) for d in found]
    if found and any(d.severity == Severity.ERROR for d in found):
        raise CheckFailed(found)
    if found:
        sys.stderr.write(render(found, "text") + "\n")


def _make(
    name: str,
    root: Path,
    record: StageRecord,
    values: Mapping[str, Any],
    model: Model,
    execution: Execution,
) -> Sequence[Diagnostic] | None:
    """Call the runner and publish what it made; gives what it found."""
    start = time.perf_counter()
    work = root / WORK_FOLDER / "work" / name
    remove(work)
    try:
        outputs = {role: work / role / Path(path).name for role, path in record.outputs.items()}
        for path in outputs.values():
            (path.parent if path.suffix else path).mkdir(parents=True)
        manifest = outputs.pop(MANIFEST, None)
        inputs = {role: root / path for role, path in record.inputs.items()}
        _require_inputs(inputs, root)
        own = own_files(model)
        sources = [*inputs.values(), *(root / path for path in own)]
        before = stamps(sources)
        digests = {p: intact_digest(root / p, root) for p in sorted(record.inputs.values())}
        runner: Runner = import_module(f"bertspec.runtime.{record.kind}").run
        verdict = STAGE_KINDS[record.kind].verdict
        made_from = {role: value for role, value in values.items() if role not in verdict}
        identity = digest([record.kind, record.version, record.packages, made_from])
        reuse = Reuse(root / WORK_FOLDER / "shards" / name)
        context = Context(
            name, model, root, inputs, outputs, record.threads, identity, reuse, record.device,
            execution, record.packages,
        )  # fmt: skip
        goes_on = context.checkpoints.exists()
        found = runner(context)
        if manifest is not None:
            artifact = next(path for path in outputs.values() if path.is_dir())
            files = digest_files(artifact, reuse.digests)
            Manifest(
                stage=name,
                version=record.version,
                params=values,
                packages=record.packages,
                threads=record.threads,
                device=record.device,
                inputs=digests,
                files=files,
                contents=contents(artifact, files, reuse.contents),
                sources={path: digest_source(root / path) for path in own},
            ).write(manifest)
        require_same_files(name, before, stamps(sources), root)
        require_same_params(name, _told(record, values), _told_now(root, name))
        publish({work / r / Path(p).name: root / p for r, p in record.outputs.items()})
        reuse.keep_used()
        remove(context.checkpoints)
        if not (goes_on or reuse.of_earlier):  # it would be the time of a part
            note_duration(root, name, time.perf_counter() - start)
    finally:
        remove(work)
    return found


def _told(record: StageRecord, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """All that params.yaml says of a stage and DVC watches."""
    return {**values, f"{RECORDS}.stages": record}


def _told_now(root: Path, name: str) -> Mapping[str, Any]:
    """The same of params.yaml as it is now; nothing where it says no such stage."""
    try:
        params = read_params(root)
        record = _record(params, name)
        return _told(record, values_of(params, record))
    except InputError:
        return {}


def check_packages(locked: Mapping[str, str]) -> None:
    """Raise EnvironmentFault when an installed package is not of the locked version."""
    wrong = []
    for package, version in sorted(locked.items()):
        try:
            installed = public_version(package)
        except metadata.PackageNotFoundError:
            wrong.append(f"{package} is not installed, locked is {version}")
            continue
        if installed != version:
            wrong.append(f"{package} {installed} is installed, locked is {version}")
    if wrong:
        pins = " ".join(f"{p}=={v}" for p, v in sorted(locked.items()))
        raise EnvironmentFault.of(
            "E501",
            "the installed packages are not those of bertspec.lock: " + "; ".join(wrong),
            f"install the locked ones (pip install {pins}), or lock those that are installed "
            "(bertspec lock, then bertspec compile)",
        )


def read_params(root: Path) -> Mapping[str, Any]:
    """What params.yaml says. Raises InputError: E202 where there is none, E203 for no YAML."""
    # params.yaml is read as the compiler and DVC read it: YAML 1.2, where `no` is a string.
    from bertspec.core.yaml import load_plain

    path = root / PARAMS_FILE
    try:
        params = load_plain(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError.of(
            "E202", f"there is no {PARAMS_FILE} here", "run `bertspec compile` in the project"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError.of(
            "E203", f"{PARAMS_FILE} is not YAML: {error}", "run `bertspec compile` to write it anew"
        ) from None
    return params if isinstance(params, dict) else {}


def records_of(params: Mapping[str, Any]) -> Mapping[str, StageRecord]:
    """The record of each stage of params.yaml. Raises InputError (E203) for one that is none."""
    return {name: validated(StageRecord, r, name) for name, r in _records(params).items()}


def values_of(params: Mapping[str, Any], record: StageRecord) -> dict[str, Any]:
    """The params of a stage, by role. Raises InputError (E203) for one that is not there."""
    values = {role: _value(params, key) for role, key in record.params.items()}
    return _with_seed(values, record.seed)


def _records(params: Mapping[str, Any]) -> Mapping[str, Any]:
    return (params.get(RECORDS) or {}).get("stages") or {}


def _record(params: Mapping[str, Any], name: str) -> StageRecord:
    records = _records(params)
    if name not in records:
        raise InputError.of("E204", f"there is no stage `{name}`", did_you_mean(name, records))
    return validated(StageRecord, records[name], name)


def _execution(params: Mapping[str, Any], name: str) -> Execution:
    settings = (params.get(RECORDS) or {}).get(EXECUTION) or {}
    return validated(Execution, settings.get(name, {}), name)


def _require_compiled(record: StageRecord, name: str) -> None:
    kind = STAGE_KINDS.get(record.kind)
    if kind is None or kind.version != record.version:
        raise InputError.of(
            "E203",
            f"stage `{name}` was compiled by another bertspec: `{record.kind}`, version "
            f"{record.version}",
            "run `bertspec compile`",
        )


def _value(params: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key."""
    value: Any = params
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise InputError.of("E203", f"{PARAMS_FILE} has no `{key}`", "run `bertspec compile`")
        value = value[part]
    return value


def _with_seed(values: dict[str, Any], seed: int | None) -> dict[str, Any]:
    """The values of params, with a further seed in the place of the spec's own."""
    training = values.get("training")
    if seed is None or not isinstance(training, dict):
        return values
    return values | {"training": training | {"seed": seed}}


def validated(model: type[M], values: Any, name: str) -> M:
    """What params.yaml has for a stage, as `model`. Raises InputError (E203) if it does not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError.of(
            "E203",
            f"{PARAMS_FILE} does not fit stage `{name}`: {wrong}",
            "put it right in the spec and run `bertspec compile`",
        ) from None


def _require_inputs(inputs: Mapping[str, Path], root: Path) -> None:
    for path in inputs.values():
        if not path.exists():
            raise InputError.of(
                "E206",
                f"{path.relative_to(root).as_posix()} is missing",
                "`dvc repro` builds the stages before this one",
            )
