"""Training that does not fit into memory is told as that."""

from collections.abc import Iterator
from contextlib import contextmanager

from bertspec.core.errors import EnvironmentFault, is_out_of_memory
from bertspec.pipeline.params.train import Training


@contextmanager
def within_memory(options: Training) -> Iterator[None]:
    """Raise EnvironmentFault (E506) for what torch, numpy or Python could not allocate inside."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise EnvironmentFault.of(
            "E506",
            "training needs more memory than there is",
            f"lower `training.batch.examples`, which is {options.batch.examples}, or "
            "`tokenization.max_length`, or set `training.batch.tokens` or "
            "`training.execution.gradient_checkpointing`",
        ) from None
