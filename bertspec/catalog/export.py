"""The contract of an export: a model file that another runtime runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from bertspec.core.errors import BertspecError, is_out_of_memory, reason
from bertspec.core.model import Model

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bertspec.catalog.task import Task

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""Inputs of every exported model, (batch, sequence) int64 each. Its one output is `logits`."""


PROTOBUF = (1 << 31) - (1 << 26)
"""Most bytes of weights of an ONNX graph: protobuf has no message of 2 GiB, and the rest of the
graph needs some room. Whatever is made of it begins with one of 32-bit floats.
"""


def example_inputs() -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """INPUTS to trace a model with, two rows of which the second is padded.

    A mask of ones alone would be traced as no mask at all, and sizes of 1, or equal ones, as
    constants.
    """
    import torch

    ids = torch.ones((2, 8), dtype=torch.int64)
    mask = ids.clone()
    mask[1, 5:] = 0
    return ids, mask, torch.zeros_like(ids)


def dynamic_axes() -> "dict[int, torch.export.Dim]":
    """Of each of INPUTS, for torch's exporters: batch and sequence have no fixed size."""
    import torch

    return {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}


class NotExportableError(Exception):
    """An exporter of torch does not take the module; the message is the first line of why."""


@contextmanager
def exporting() -> Iterator[None]:
    """Around calls of torch's exporters alone: what they raise is NotExportableError."""
    try:
        yield
    except Exception as error:
        first: BaseException = error
        while first.__cause__:  # torch's own errors are around it
            first = first.__cause__
        if isinstance(first, BertspecError) or is_out_of_memory(first):
            raise first from None
        raise NotExportableError(reason(first)) from error


Runner = Callable[["Mapping[str, np.ndarray]"], "np.ndarray"]
"""INPUTS by name -> logits, (batch, outputs) float32."""


def torch_runner(forward: "Callable[[dict[str, torch.Tensor]], torch.Tensor]") -> Runner:
    """Of what PyTorch runs, which takes INPUTS by name, in their order."""
    import torch

    def run(inputs: "Mapping[str, np.ndarray]") -> "np.ndarray":
        tensors = {name: torch.from_numpy(inputs[name]) for name in INPUTS}
        with torch.inference_mode():
            return forward(tensors).numpy()

    return run


Batches = Iterable["Mapping[str, np.ndarray]"]
"""INPUTS by name of one batch after another."""


def no_batches(count: int) -> Batches:  # noqa: ARG001 - there are none, however many are asked for
    """Of a module that has no training rows."""
    return ()


@dataclass(frozen=True)
class Trained:
    """The trained model that a module runs."""

    task: "Task"
    folder: Path
    """With its tokenizer."""
    max_length: int
    """Most tokens of what it reads."""


@dataclass(frozen=True)
class Shared:
    """What the exports of one module have in common."""

    graphs: dict[Any, Any] = field(default_factory=dict)
    """Graphs of the module that one export made and another one may begin with."""
    training_batches: Callable[[int], Batches] = no_batches
    """So many sequences of the training split, for an export that is fitted on some."""
    threads: int = 1
    """Of what an export runs while it is written: its sums depend on them."""
    trained: Trained | None = None
    """For an export that is more than the module's graph."""


class Export(Model, ABC):
    """Options and behaviour of one kind of export."""

    largest: ClassVar[int | None] = None
    """Most bytes of weights, in 32-bit floats, of a model that it takes; None for any."""

    type: str
    tolerance: float = Field(
        default=1e-4,
        gt=0,
        description="Largest difference of a logit from PyTorch's on the test split. "
        "The stage fails beyond it, and on any label that differs.",
    )

    @property
    def name(self) -> str:
        """What it is called beside the other exports of a spec."""
        return self.type

    @property
    @abstractmethod
    def filename(self) -> str:
        """Name of the file in the export folder, or of the folder there."""

    @property
    def metric_bound(self) -> float | None:
        """By how much the headline metric may be worse, for an export that is not the same numbers.

        None for one that is: `tolerance` holds for each number, and no prediction may differ.
        """
        return None

    @property
    def alone(self) -> bool:
        """Whether its numbers for a sequence would depend on those that are run with it.

        Then predict runs each by itself, and so the export is measured.
        """
        return False

    @classmethod
    def files(cls, path: Path) -> list[Path]:
        """What an export with this file or folder consists of."""
        return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]

    @classmethod
    def size(cls, path: Path) -> int:
        """Bytes of its files."""
        return sum(file.stat().st_size for file in cls.files(path))

    @abstractmethod
    def packages(self) -> tuple[str, ...]:
        """Distributions whose version can change the file."""

    @abstractmethod
    def write(self, module: "torch.nn.Module", path: Path, shared: Shared) -> None:
        """Write the file. `module` takes INPUTS in order and gives logits; it is in eval mode.

        The same weights give the same bytes in another process, folder and installation; not
        always in a process that has exported before, as torch.jit numbers the classes that it sees.
        """

    @abstractmethod
    def runner(self, path: Path, threads: int, task: "Task | None" = None) -> Runner:
        """Load the file in its own runtime.

        A file that is no more than the model needs the task, which says what its output is.
        """
