"""Checkpoints: from which an interrupted training goes on, to the bit."""

import json
import math
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.core.errors import reason
from bertspec.core.files import remove

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

EVERY = 60.0
"""Seconds between checkpoints. No result depends on it."""

Weights = dict[str, "torch.Tensor"]

_PROGRESS = "progress"
"""Key of the metadata of the file: the rest of it is tensors."""


@dataclass
class Curves:
    """What training writes down as it goes; each row becomes a row of a plot."""

    loss: list[dict[str, float]] = field(default_factory=list)
    learning_rate: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Progress:
    """How far training has come."""

    epoch: int = 0
    """Epochs that are done."""
    losses: list[float] = field(default_factory=list)
    """Of the steps of the epoch after them."""
    curves: Curves = field(default_factory=Curves)
    score: float = -math.inf
    """Of the best epoch, whose weights are kept."""
    waited: int = 0
    """Epochs since the score last rose enough."""

    @property
    def step(self) -> int:
        """Steps that are done, in all epochs."""
        return len(self.curves.loss)

    def add(self, loss: float, learning_rate: float) -> None:
        """Note the next step."""
        step = self.step
        self.losses.append(loss)
        self.curves.loss.append({"step": step, "loss": loss})
        self.curves.learning_rate.append({"step": step, "learning_rate": learning_rate})


class Checkpoints:
    """The one file of a training: the last checkpoint, for those who ask with the same key.

    `key` is a digest of all that the result depends on. The file is a safetensors file, so that
    nothing in it is ever run, and is replaced in one step.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._file = folder / f"{key}.safetensors"
        self._last = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir():
            if other != self._file:
                remove(other)

    def save_if_due(
        self,
        model: "PreTrainedModel",
        optimizer: "torch.optim.Optimizer",
        progress: Progress,
        best: Weights | None,
    ) -> None:
        """Called between two steps. One that cannot be written stops no training."""
        if time.monotonic() - self._last < EVERY:
            return
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        tensors = {f"model.{name}": tensor for name, tensor in live_weights(model).items()}
        tensors |= {f"best.{name}": tensor for name, tensor in (best or {}).items()}
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
        new = self._file.with_suffix(".new")
        try:
            save_file(
                {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
                new,
                {_PROGRESS: json.dumps(asdict(progress))},
            )
            with new.open("rb") as file:
                os.fsync(file.fileno())
            new.replace(self._file)
        except (OSError, SafetensorError) as error:
            remove(new)
            sys.stderr.write(f"no checkpoint, training goes on: {reason(error)}\n")
        self._last = time.monotonic()

    def resume(
        self, model: "PreTrainedModel", optimizer: "torch.optim.Optimizer"
    ) -> tuple[Progress, Weights | None]:
        """Put all where it was; without a checkpoint, leave it. Gives the best weights, too."""
        if not self._file.is_file():
            return Progress(), None
        from safetensors import safe_open

        with safe_open(self._file, framework="pt") as file:
            told = json.loads(file.metadata()[_PROGRESS])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        put_weights(model, _below(tensors, "model"))
        state: dict[int, Weights] = {}
        for name, tensor in _below(tensors, "optimizer").items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
        progress = Progress(**told | {"curves": Curves(**told["curves"])})
        return progress, _below(tensors, "best") or None


def live_weights(model: "torch.nn.Module") -> Weights:
    """The model's own tensors by name, each once: parameters, and buffers such as statistics."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def copied_weights(model: "torch.nn.Module") -> Weights:
    """The same as they are now."""
    return {name: tensor.detach().clone() for name, tensor in live_weights(model).items()}


def put_weights(model: "torch.nn.Module", weights: Weights) -> None:
    """Give the model weights that it had before."""
    import torch

    with torch.no_grad():
        for name, tensor in live_weights(model).items():
            tensor.copy_(weights[name])


def _below(tensors: Weights, prefix: str) -> Weights:
    return {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{prefix}.")
    }
