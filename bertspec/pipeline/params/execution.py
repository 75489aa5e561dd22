"""How a stage runs: what changes its time, its memory and what it tells, and not its result."""

from pydantic import Field

from bertspec.core.model import Model
from bertspec.pipeline.params.powers import PowerOfTwo


class Execution(Model):
    """Settings that change no result.

    They stand at `bertspec.execution.<stage>` in params.yaml, where DVC does not watch them.
    """

    gradient_checkpointing: bool = Field(
        default=False,
        description="Compute the activations of each layer again in the backward pass, in place of "
        "keeping them: less memory, more time, the same weights to the bit.",
    )
    cuda_graphs: bool = Field(
        default=True,
        description="On a GPU, run the passes of an encoder as CUDA graphs, which a small model "
        "gains most from. Each size of rows has one, with gradients of its own in the GPU's "
        "memory. On a processor it changes nothing.",
        json_schema_extra={"since": 2},
    )
    checkpoint_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Seconds between two checkpoints, from which an interrupted training goes on.",
    )
    processes: PowerOfTwo = Field(
        default=1,
        description="Processes that train together on this machine, a power of two, and "
        "`training.batch.shards` at most. Each has the locked number of threads and its own copy "
        "of model and optimizer, so two need twice the cores and twice the memory.",
        json_schema_extra={"since": 2},
    )
    tensorboard: str | None = Field(
        default=None,
        description="A folder, relative to the project, for TensorBoard's event files of the "
        "training; null for none. It needs the package `tensorboard`.",
    )
