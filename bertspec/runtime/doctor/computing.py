"""How the project is computed: threads, device, precision, beside what the machine has."""

from collections.abc import Iterator
from typing import Any

from bertspec.core.packages import available_cores
from bertspec.pipeline.layout import LOCK_FILE
from bertspec.pipeline.lock import Hardware
from bertspec.runtime.doctor.line import Line, State
from bertspec.runtime.doctor.project import Project
from bertspec.runtime.hardware import is_same_class


def computing(
    project: Project, *, bf16: bool | None, gpu: bool, hardware: Hardware | None
) -> Iterator[Line]:
    """Lines on threads, device, precision and the class of the machine.

    `bf16` says whether the device has it, and `gpu` whether torch sees one. `hardware` is the
    machine's class, None when torch cannot tell.
    """
    yield _threads(project)
    yield _device(project, gpu=gpu)
    auto = _of_auto(project, bf16=bf16, gpu=gpu) if hardware is not None else None
    yield _precision(project, auto, bf16=bf16)
    if hardware is not None:
        yield _hardware(project, hardware, gpu=gpu)


def _threads(project: Project) -> Line:
    threads, cores = project.threads, available_cores()
    locked = project.lock is not None
    facts = {"threads": threads, "locked": locked}
    if not locked:
        text = f"{threads}, which `bertspec lock` would write"
        return Line("project", "threads", State.GOOD, text, facts=facts)
    text = f"{threads}, as {LOCK_FILE} has it"
    if threads > cores:
        text += f", and {cores} usable core{'s' if cores != 1 else ''}: they wait for each other"
        advice = f"`bertspec lock --threads {cores}` is for this machine, and trains again"
        return Line("project", "threads", State.NOTE, text, advice, facts)
    return Line("project", "threads", State.GOOD, text, facts=facts)


def _device(project: Project, *, gpu: bool) -> Line:
    device, locked = project.device(gpu=gpu), project.lock is not None
    facts = {"device": device, "locked": locked}
    if not locked:
        text = f"{device}, which `bertspec lock` would write"
        return Line("project", "device", State.GOOD, text, facts=facts)
    text = f"{device}, as {LOCK_FILE} has it"
    if device == "cuda" and not gpu:
        text += ", and torch sees no GPU here"
        advice = "`bertspec lock --device cpu` is for this machine, and trains again"
        return Line("project", "device", State.WRONG, text, advice, facts)
    if device == "cpu" and gpu:
        text += ", and there is a GPU"
        advice = "`bertspec lock --device cuda` is faster here, and trains again"
        return Line("project", "device", State.NOTE, text, advice, facts)
    return Line("project", "device", State.GOOD, text, facts=facts)


def _of_auto(project: Project, *, bf16: bool | None, gpu: bool) -> str | None:
    """What `bertspec lock` would write for `precision: auto`; None where a GPU is to tell."""
    if project.device(gpu=gpu) == "cuda" and not gpu:
        return None
    return "bf16" if bf16 else "fp32"


def _precision(project: Project, auto: str | None, *, bf16: bool | None) -> Line:
    """`auto` is what `bertspec lock` would write for that; None for what cannot be told here."""
    precisions = project.precisions
    facts: dict[str, Any] = {"precisions": dict(precisions)}
    if not precisions:
        text = "fp32 unless `training.precision` of a spec says bf16"
        return Line("project", "precision", State.GOOD, text, facts=facts)
    names = {each: each for each in sorted(set(precisions.values()))}
    if "auto" in names:
        facts["auto"] = auto
        told = f"for which `bertspec lock` would write {auto}" if auto else "to be locked elsewhere"
        names["auto"] = f"auto, {told},"
    text = "; ".join(
        f"{name} in {', '.join(n for n, p in precisions.items() if p == each)}"
        for each, name in names.items()
    )
    if "bf16" in precisions.values() and bf16 is False:
        text += "; the device has no bf16"
        advice = "it works all the same; `training.precision: fp32` is no slower here"
        return Line("project", "precision", State.NOTE, text, advice, facts)
    return Line("project", "precision", State.GOOD, text, facts=facts)


def _hardware(project: Project, here: Hardware, *, gpu: bool) -> Line:
    locked, device = project.lock.hardware if project.lock else None, project.device(gpu=gpu)
    facts = {"here": here.model_dump(), "locked": locked.model_dump() if locked else None}
    if locked is None and device == "cuda" and not gpu:
        text = f"{here}; {LOCK_FILE} leaves it to the machine with the GPU"
        return Line("project", "hardware", State.GOOD, text, facts=facts)
    if locked is None:
        text = f"{here}, which `bertspec lock` would write"
        return Line("project", "hardware", State.GOOD, text, facts=facts)
    if is_same_class(locked, here, device):
        text = f"{here}, as {LOCK_FILE} has it"
        return Line("project", "hardware", State.GOOD, text, facts=facts)
    text = f"{here}, and {LOCK_FILE} is of {locked}: results may differ in their last bits"
    advice = "nothing is wrong: `dvc pull` fetches what the other machine made; "
    advice += "`bertspec lock --upgrade hardware` makes this class the lock's"
    return Line("project", "hardware", State.NOTE, text, advice, facts)
