"""Checkpoints: from which an interrupted training goes on, to the bit."""

import hashlib
import json
import math
import os
import signal
import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bertspec.core.digest import digest
from bertspec.core.errors import Interrupted, is_out_of_memory, reason
from bertspec.core.files import remove
from bertspec.runtime.training.interrupts import Interrupts

if TYPE_CHECKING:
    import torch
    from torch.optim.swa_utils import AveragedModel
    from transformers import PreTrainedModel

Weights = dict[str, "torch.Tensor"]

_KEY, _PROGRESS, _CONTENT = "key", "progress", "content"
"""Of the metadata of the file: the rest of it is tensors. The last is of them and the progress."""

_SCALARS = "epoch", "begun", "score", "waited"
"""Of a progress."""


def _no_numbers() -> "array[float]":
    return array("d")


@dataclass
class Curves:
    """What training writes down as it goes. A step is two numbers: there may be millions."""

    losses: "array[float]" = field(default_factory=_no_numbers)
    """Of each step."""
    rates: "array[float]" = field(default_factory=_no_numbers)
    """The learning rates."""
    validation: list[dict[str, float]] = field(default_factory=list)
    """Rows of a plot, one a measurement."""

    @property
    def loss(self) -> list[dict[str, float]]:
        """Rows of a plot, one a step."""
        return [{"step": step, "loss": loss} for step, loss in enumerate(self.losses)]

    @property
    def learning_rate(self) -> list[dict[str, float]]:
        """The same."""
        return [{"step": step, "learning_rate": rate} for step, rate in enumerate(self.rates)]


@dataclass
class Progress:
    """How far training has come."""

    epoch: int = 0
    """Epochs that are done."""
    begun: int = 0
    """Steps that were done when the epoch after them began."""
    curves: Curves = field(default_factory=Curves)
    score: float = -math.inf
    """Of the best measurement, whose weights are kept."""
    waited: int = 0
    """Measurements since the score last rose enough."""

    @property
    def step(self) -> int:
        """Steps that are done, in all epochs."""
        return len(self.curves.losses)

    @property
    def losses(self) -> Sequence[float]:
        """Of the steps of the epoch that is not done."""
        return self.curves.losses[self.begun :]

    def add(self, loss: float, learning_rate: float) -> None:
        """Note the next step."""
        self.curves.losses.append(loss)
        self.curves.rates.append(learning_rate)

    def end_epoch(self) -> None:
        """Note that the epoch is done."""
        self.epoch, self.begun = self.epoch + 1, self.step

    def told(self) -> str:
        """All but what is of each step, which `tensors` has: a file's metadata have a limit."""
        values = {name: getattr(self, name) for name in _SCALARS}
        return json.dumps(values | {"validation": self.curves.validation})

    def tensors(self) -> Weights:
        """What is of each step."""
        import numpy as np
        import torch

        # Copied: an array that something else looks into takes no further number.
        found = {"loss": self.curves.losses, "learning_rate": self.curves.rates}
        return {name: torch.tensor(np.asarray(numbers)) for name, numbers in found.items()}

    @classmethod
    def read(cls, told: str, tensors: Mapping[str, "torch.Tensor"]) -> Self:
        """Of what `told` and `tensors` gave."""
        values = json.loads(told)
        losses, rates = (array("d", tensors[name].tolist()) for name in ("loss", "learning_rate"))
        curves = Curves(losses, rates, values["validation"])
        return cls(curves=curves, **{name: values[name] for name in _SCALARS})


class Checkpoints:
    """The one file of a training: the last checkpoint, for those who ask with the same key.

    `key` is a digest of all that the result depends on; `every`, the seconds between two
    checkpoints, is no part of it. The file is a safetensors file, so that nothing in it is ever
    run, has a digest of what it holds, and is replaced in one step. While it is entered, Ctrl-C and
    SIGTERM wait for the next time that training can stop: then what has been done is kept. A second
    one does not wait. Leaving raises Interrupted after either, which tells what was kept. One that
    does not write is that of a further process of the training.
    """

    def __init__(self, folder: Path, key: str, every: float, *, writes: bool = True) -> None:
        self.folder = folder
        self._file, self._key = folder / f"{key}.safetensors", key
        self._every, self._writes = every, writes
        self._last = time.monotonic()
        self._signals = Interrupts()
        self._kept: tuple[int, int] | None = None
        self._steps = 0
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir() if writes else ():
            if other != self._file or not other.is_file():
                remove(other)

    def __enter__(self) -> Self:
        self._signals.__enter__()
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._signals.__exit__()
        caught = self._signals.caught or signal.SIGINT
        if isinstance(error, KeyboardInterrupt) or (error is None and self._signals.caught):
            if self._kept is None:
                raise Interrupted(number=caught)
            place = f"the checkpoint of step {self._kept[1]} of {self._steps}"
            raise Interrupted(f"{place} is kept, the rerun goes on from it", caught)

    def save_if_due(
        self,
        model: "PreTrainedModel",
        optimizer: "torch.optim.Optimizer",
        progress: Progress,
        best: Weights | None,
        average: "AveragedModel | None" = None,
    ) -> None:
        """Called between two steps, and where nothing of what is given changes.

        A checkpoint that cannot be written stops no training.
        Raises KeyboardInterrupt, with all kept, when Ctrl-C or SIGTERM has come.
        """
        if not self._writes:
            return
        stops = self._signals.caught is not None
        if stops or time.monotonic() - self._last >= self._every:
            if self._kept != (progress.epoch, progress.step):
                self._save(_tensors(model, optimizer, progress, best, average), progress)
            self._last = time.monotonic()
        if stops:
            raise KeyboardInterrupt

    def _save(self, tensors: Weights, progress: Progress) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        new = self._file.with_suffix(".new")
        told = progress.told()
        try:
            # From a GPU once, for the digest and the file.
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            metadata = {_KEY: self._key, _PROGRESS: told, _CONTENT: _content(told, tensors)}
            save_file(tensors, new, metadata)
            with new.open("rb") as file:
                os.fsync(file.fileno())
            new.replace(self._file)
            self._kept = progress.epoch, progress.step
        except (OSError, SafetensorError, MemoryError) as error:
            goes_on = "" if self._signals.caught else ", training goes on"
            sys.stderr.write(f"no checkpoint{goes_on}: {reason(error)}\n")
        finally:
            remove(new)

    def resume(
        self,
        model: "PreTrainedModel",
        optimizer: "torch.optim.Optimizer",
        average: "AveragedModel | None",
        steps: int,
    ) -> tuple[Progress, Weights | None]:
        """Put all where it was; without a checkpoint, leave it. Gives the best weights, too.

        `steps` are those of the whole training. A damaged checkpoint is told of, and is none.
        """
        from safetensors import SafetensorError

        self._steps = steps
        if not self._file.is_file():
            return Progress(), None
        try:
            progress, tensors = self._read(model, average)
        except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
            if is_out_of_memory(error):
                raise
            said = f"the checkpoint is damaged, training begins anew: {reason(error)}"
            sys.stderr.write(f"{said}\n")
            return Progress(), None
        put_weights(model, _below(tensors, "model"))
        if average is not None:
            put_weights(average, _below(tensors, "average"))
        state: dict[int, Weights] = {}
        for name, tensor in _below(tensors, "optimizer").items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
        self._kept = progress.epoch, progress.step
        return progress, _below(tensors, "best") or None

    def _read(
        self, model: "PreTrainedModel", average: "AveragedModel | None"
    ) -> tuple[Progress, Weights]:
        """What the file holds. Nothing is changed before all of it is known to be of this model."""
        from safetensors import safe_open

        with safe_open(self._file, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get(_KEY) != self._key:
            raise ValueError("it is of another training")
        if metadata.get(_CONTENT) != _content(metadata.get(_PROGRESS), tensors):
            raise ValueError("it does not hold what was written")
        progress = Progress.read(metadata[_PROGRESS], _below(tensors, "curves"))
        for part, of in (("model", model), ("best", model), ("average", average)):
            found, expected = _below(tensors, part), live_weights(of) if of else {}
            if part == "best" and not found:
                continue
            if _shapes(found) != _shapes(expected):
                raise ValueError(f"its {part} weights are not of this model")
        return progress, tensors


def _tensors(
    model: "PreTrainedModel",
    optimizer: "torch.optim.Optimizer",
    progress: Progress,
    best: Weights | None,
    average: "AveragedModel | None",
) -> Weights:
    """All of a checkpoint but `Progress.told`, each part with its name before those of its own."""
    tensors = {f"model.{name}": tensor for name, tensor in live_weights(model).items()}
    tensors |= {f"best.{name}": tensor for name, tensor in (best or {}).items()}
    if average is not None:
        tensors |= {f"average.{name}": t for name, t in live_weights(average).items()}
    tensors |= {f"curves.{name}": numbers for name, numbers in progress.tensors().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    return tensors


def _content(progress: str | None, tensors: Weights) -> str:
    """The digest of all that a checkpoint holds: a weight with a flipped bit is a weight, too."""
    import torch

    found = {}
    for name, tensor in tensors.items():
        data = tensor.reshape(-1).view(torch.uint8)
        hashed = hashlib.sha256(data.numpy().data).hexdigest()
        found[name] = [str(tensor.dtype), [*tensor.shape], hashed]
    return digest([progress, found])


def live_weights(model: "torch.nn.Module") -> Weights:
    """What training changes of a model, by name, each once: parameters that are not frozen, and
    buffers such as statistics.
    """
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return {**learning, **dict(model.named_buffers())}


def copied_weights(model: "torch.nn.Module") -> Weights:
    """The same as they are now."""
    return {name: tensor.detach().clone() for name, tensor in live_weights(model).items()}


def put_weights(model: "torch.nn.Module", weights: Weights) -> None:
    """Give the model weights that it had before."""
    import torch

    with torch.no_grad():
        for name, tensor in live_weights(model).items():
            tensor.copy_(weights[name])


def _shapes(weights: Weights) -> "dict[str, torch.Size]":
    return {name: tensor.shape for name, tensor in weights.items()}


def _below(tensors: Weights, prefix: str) -> Weights:
    return {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{prefix}.")
    }
