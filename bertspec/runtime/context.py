"""What a stage runner is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from bertspec.core.model import Model
from bertspec.pipeline.layout import WORK_FOLDER
from bertspec.pipeline.params.execution import Execution
from bertspec.runtime.reuse import Reuse

P = TypeVar("P", bound=Model)


@dataclass(frozen=True)
class Context(Generic[P]):
    """Params, inputs and outputs of one run of a stage."""

    stage: str
    params: P
    root: Path
    """The project's folder."""
    inputs: Mapping[str, Path]
    """Role -> folder or file."""
    outputs: Mapping[str, Path]
    """Role -> where to write. It is moved to its place when the runner returns.

    Folders exist already and are empty; parents of files exist.
    """
    threads: int | None
    identity: str
    """Digest of all that the stage's result depends on beside its inputs."""
    reuse: Reuse
    device: str | None = None
    """The locked device; None is the processor."""
    execution: Execution = field(default_factory=Execution)
    """How to run, which changes no result: no part of `identity`."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Locked version of each package that the stage uses."""

    @property
    def work(self) -> Path:
        """Folder of what is needed while the stage runs; removed when it ends."""
        return self.root / WORK_FOLDER / "work" / self.stage

    @property
    def checkpoints(self) -> Path:
        """Folder of what an interrupted run goes on from; removed when the outputs are there."""
        return self.root / WORK_FOLDER / "checkpoints" / self.stage
