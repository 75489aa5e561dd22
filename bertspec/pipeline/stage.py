"""Stage and its record: what the compiler writes to params.yaml and a runner reads from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from bertspec.core.model import Model
from bertspec.pipeline.lock import Hardware

MANIFEST = "manifest"
"""Role of the output that `run_stage` writes itself, for each stage that makes an artifact."""

RECORDS = "bertspec"
"""The top-level key of params.yaml that holds the records; so no spec may have this name."""

EXECUTION = "execution"
"""The key beside the records for how stages run, by stage: DVC does not watch it."""

HARDWARE = "hardware"
"""The key beside the records for the locked class of machines: DVC does not watch it either."""


class OutputKind(StrEnum):
    """How DVC keeps an output."""

    ARTIFACT = "artifact"
    """A folder, in DVC's cache; its manifest lies beside it."""
    FILE = "file"
    """A single file, in DVC's cache."""
    METRIC = "metric"
    """A small JSON file, in git."""
    PLOT = "plot"
    """A small CSV file, in git."""


class StageRecord(Model):
    """One stage as params.yaml has it, below `bertspec.stages`."""

    kind: str = Field(description="Kind of stage.")
    version: int = Field(description="STAGE_VERSION of the kind.")
    packages: dict[str, str] = Field(description="Locked version of each package it uses.")
    threads: int | None = Field(default=None, ge=1, description="Locked number of threads.")
    device: Literal["cuda"] | None = Field(
        default=None, description="Locked device, where it is not the processor."
    )
    seed: int | None = Field(
        default=None,
        description="A further seed, for its stages: it holds in place of `training.seed`, and "
        "findings do not fail the stage.",
    )
    params: dict[str, str] = Field(
        description="For each param of the runner, the dotted key of params.yaml that holds it."
    )
    inputs: dict[str, str] = Field(description="Role of each input -> its path.")
    outputs: dict[str, str] = Field(description="Role of each output -> its path.")


@dataclass(frozen=True)
class Output:
    """One output of a stage."""

    path: str
    kind: OutputKind
    plot: Mapping[str, str] = field(default_factory=dict)
    """DVC's plot properties (x, y, title, template), for a PLOT."""


@dataclass(frozen=True)
class Stage:
    """A node of the pipeline."""

    name: str
    kind: str
    version: int
    origin: str
    """The spec or data set file that it is compiled from; for readers only."""
    packages: Mapping[str, str]
    threads: int | None
    params: Mapping[str, str]
    inputs: Mapping[str, str]
    """Role -> path of what other stages make."""
    sources: tuple[str, ...]
    """Paths outside the pipeline that it reads: the user's own files."""
    outputs: Mapping[str, Output]
    device: Literal["cuda"] | None = None
    """None is the processor."""
    seed: int | None = None
    """A further seed, for its stages."""
    execution: Mapping[str, Any] = field(default_factory=dict)
    """Settings that change no result, where they are not the defaults; no part of the record."""

    @property
    def record(self) -> dict[str, Any]:
        record = StageRecord(
            kind=self.kind,
            version=self.version,
            packages=dict(self.packages),
            threads=self.threads,
            device=self.device,
            seed=self.seed,
            params=dict(self.params),
            inputs=dict(self.inputs),
            outputs={role: output.path for role, output in self.outputs.items()},
        )
        # Without a null, which DVC writes in another way than we do.
        return record.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True)
class Pipeline:
    """All stages, in the order of a build, and the params that they read."""

    stages: tuple[Stage, ...]
    params: Mapping[str, Any]
    """The top level of params.yaml, without the records."""
    hardware: Hardware | None = None
    """The locked class of machines; for messages only."""
