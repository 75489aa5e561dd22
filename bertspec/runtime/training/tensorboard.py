"""The curves of a training as it goes, for TensorBoard."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bertspec.core.errors import EnvironmentFault

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Axis = Literal["steps", "epochs", "measurements"]


class Observer(Protocol):
    """Is told the values of a step, counted from 0, of an epoch, counted from 1, or of a
    measurement, by the steps before it.
    """

    def __call__(self, axis: Axis, number: int, values: Mapping[str, float]) -> None: ...


def unobserved(axis: Axis, number: int, values: Mapping[str, float]) -> None:
    """An observer that does nothing."""


@contextmanager
def observed(folder: Path | None) -> Iterator[Observer]:
    """Write what the observer is told into `folder`, as event files; nowhere without a folder.

    Each axis is a run of TensorBoard: what a training that goes on from a checkpoint tells again
    takes the place of what was told before (SummaryWriter's `purge_step`), and a run has one axis
    to compare. Raises EnvironmentFault (E502) where TensorBoard is not installed.
    """
    if folder is None:
        yield unobserved
        return
    new = _summary_writer()
    writers: dict[Axis, SummaryWriter] = {}

    def observe(axis: Axis, number: int, values: Mapping[str, float]) -> None:
        if axis not in writers:
            writers[axis] = new(str(folder / axis), purge_step=number)
        for name, value in values.items():
            writers[axis].add_scalar(name, value, number)
        # What is in the next checkpoint is then in the files, too, whatever ends the process.
        writers[axis].flush()

    try:
        yield observe
    finally:
        for writer in writers.values():
            writer.close()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise EnvironmentFault.of(
            "E502",
            "not installed: tensorboard, which `training.execution.tensorboard` needs",
            "pip install tensorboard",
        ) from None
    return SummaryWriter
