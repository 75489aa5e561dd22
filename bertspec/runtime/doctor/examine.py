"""Look at everything, in the order that it is told."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.core.progress import progress
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.runtime.doctor.computing import computing
from bertspec.runtime.doctor.dvc import dvc
from bertspec.runtime.doctor.gemm import speeds
from bertspec.runtime.doctor.git import git
from bertspec.runtime.doctor.line import Line
from bertspec.runtime.doctor.processor import processor
from bertspec.runtime.doctor.project import Project
from bertspec.runtime.doctor.resources import resources
from bertspec.runtime.doctor.versions import versions
from bertspec.runtime.hardware import hardware_class, has_bf16
from bertspec.runtime.torch_setup import best_device

SECONDS = 10.0
"""For all that is measured."""


def examine(root: Path, project: Project, *, measure: bool) -> Iterator[Line]:
    """Every line on the machine, and on the folder `root`; `measure` for the speed as well."""
    yield from resources(root)
    of_processor = list(processor())
    yield from of_processor
    works = any(line.facts.get("torch") for line in of_processor)
    gpu = works and best_device() == "cuda"
    device = project.device(gpu=gpu) if gpu else "cpu"
    bf16 = has_bf16(device) if works else None
    if measure and works:
        precisions = ["fp32", *(["bf16"] if bf16 else [])]
        with progress("measuring the speed", None):
            yield from speeds(precisions, project.threads, SECONDS, device)
    of_stages = {p for kind in STAGE_KINDS.values() for p in kind.packages}
    yield from versions(project.packages or of_stages, project.lock)
    yield from git(root, needed=project.is_one)
    yield from dvc(root, needed=project.is_one)
    yield from project.lines
    hardware = hardware_class(device) if works else None
    yield from computing(project, bf16=bf16, gpu=gpu, hardware=hardware)
