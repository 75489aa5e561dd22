"""How the project is computed: threads, device and precision, beside what the machine has."""

from collections.abc import Iterator, Mapping

from bertspec.core.packages import available_cores
from bertspec.pipeline.layout import LOCK_FILE
from bertspec.runtime.doctor.line import Line, State
from bertspec.runtime.doctor.project import Project


def computing(project: Project, *, bf16: bool | None, gpu: bool) -> Iterator[Line]:
    """Lines on threads, device and precision.

    `bf16` says whether the device has it, and `gpu` whether torch sees one.
    """
    yield _threads(project)
    yield _device(project, gpu=gpu)
    yield _precision(project.precisions, bf16=bf16)


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


def _precision(precisions: Mapping[str, str], *, bf16: bool | None) -> Line:
    facts = {"precisions": dict(precisions)}
    if not precisions:
        text = "fp32 unless `training.precision` of a spec says bf16"
        return Line("project", "precision", State.GOOD, text, facts=facts)
    text = "; ".join(
        f"{each} in {', '.join(n for n, p in precisions.items() if p == each)}"
        for each in sorted(set(precisions.values()))
    )
    if "bf16" in precisions.values() and bf16 is False:
        text += "; the device has no bf16"
        advice = "it works all the same; `training.precision: fp32` is no slower here"
        return Line("project", "precision", State.NOTE, text, advice, facts)
    return Line("project", "precision", State.GOOD, text, facts=facts)
