"""Training that does not fit into memory is told as that."""

from collections.abc import Iterator
from contextlib import contextmanager

from bertspec.core.errors import EnvironmentFault, is_out_of_memory
from bertspec.pipeline.params.train import Training


@contextmanager
def within_memory(options: Training, *, has_graphs: bool = False) -> Iterator[None]:
    """Raise EnvironmentFault (E506) for what torch, numpy or Python could not allocate inside.

    `has_graphs` says whether a GPU keeps CUDA graphs, and in each gradients of its own.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        graphs = ", or `training.execution.cuda_graphs: false`" if has_graphs else ""
        raise EnvironmentFault.of(
            "E506",
            "training needs more memory than there is",
            f"lower `training.batch.examples`, which is {options.batch.examples}, or "
            "`tokenization.max_length`, or set `training.batch.accumulate`, "
            f"`training.batch.tokens` or `training.execution.gradient_checkpointing`{graphs}",
        ) from None
