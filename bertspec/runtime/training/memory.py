"""Training that does not fit into memory is told as that."""

from collections.abc import Iterator
from contextlib import contextmanager

from bertspec.core.errors import EnvironmentFault, is_out_of_memory
from bertspec.pipeline.params.train import Training


@contextmanager
def within_memory(
    options: Training, *, divides: bool = True, has_graphs: bool = False
) -> Iterator[None]:
    """Raise EnvironmentFault (E506) for what torch, numpy or Python could not allocate inside.

    `divides` says whether a step may run in parts, and `has_graphs` whether a GPU keeps CUDA
    graphs, and in each gradients of its own.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        parts = "`training.batch.accumulate`, `training.batch.tokens` or " if divides else ""
        graphs = ", or `training.execution.cuda_graphs: false`" if has_graphs else ""
        raise EnvironmentFault.of(
            "E506",
            "training needs more memory than there is",
            f"lower `training.batch.examples`, which is {options.batch.examples}, or "
            f"`tokenization.max_length`, or set {parts}"
            f"`training.execution.gradient_checkpointing`{graphs}",
        ) from None
