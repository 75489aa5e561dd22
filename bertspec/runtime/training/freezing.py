"""Frozen layers: they keep the weights of the base, run without dropout, and can run once."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Batch, Tokens
from bertspec.catalog.task import Task
from bertspec.core.errors import InputError
from bertspec.core.progress import Bar
from bertspec.pipeline.params.train import Freeze, Training
from bertspec.runtime.inference import Run, model_runner
from bertspec.runtime.training.frozen_outputs import FAMILIES, FrozenOutputs
from bertspec.runtime.training.frozen_validation import SameBatches
from bertspec.runtime.training.layers import layer_depths, layer_lists, up_to_the_layers

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

WORTH_IT = 2
"""How often training must see a sequence, on average, for its outputs to be kept."""


class Frozen:
    """What of a model does not learn. Without `freeze` that is nothing, and nothing happens here.

    Raises InputError (E403) for layers that are not there, or where nothing is left to learn.
    """

    def __init__(self, model: "PreTrainedModel", task: Task, options: Training) -> None:
        self._model, self._task = model, task
        self._bf16 = options.precision == "bf16"
        self._modules: list[Module] = []
        self._kept_layers = 0
        """How many layers there are of which outputs can be kept."""
        self._outputs: FrozenOutputs | None = None
        self._validation = SameBatches()
        if options.freeze is not None:
            number = _number_of_layers(model, options.freeze)
            self._modules = _freeze(model, number)
            self._kept_layers = number if model.config.model_type in FAMILIES else 0

    def fill(self, tokens: Tokens, pad_id: int, passes: int, folder: Path, checkpoint: Bar) -> None:
        """Run the frozen layers over all sequences once, where that can be and is worth it.

        `passes` is how often training sees each sequence. See `FrozenOutputs` for the rest.
        """
        import torch

        if not self._kept_layers or not self._task.constant_inputs or passes < WORTH_IT:
            return
        self._model.eval()
        with torch.autocast(self._model.device.type, torch.bfloat16, enabled=self._bf16):
            self._outputs = FrozenOutputs(
                self._model, self._layers_of(self._model), tokens, pad_id,
                self._task.rows_at_once, folder, checkpoint,
            )  # fmt: skip

    def train(self) -> None:
        """Put the model into training mode, and what is frozen of it not."""
        self._model.train()
        for module in self._modules:
            module.training = False

    def running(self, batch: Batch) -> AbstractContextManager[object]:
        """Inside, frozen layers of which the outputs for the batch are kept do not run."""
        return self._outputs.standing_in(batch) if self._outputs else nullcontext()

    def runner(self, model: "PreTrainedModel", task: Task) -> Run:
        """Run `model`, which may be an average, over the validation split, in eval mode."""
        if not self._kept_layers:
            return model_runner(model, task, bf16=self._bf16)
        return self._validation.runner(model, self._layers_of(model), task, bf16=self._bf16)

    def _layers_of(self, model: "PreTrainedModel") -> "list[Module]":
        return list(layer_lists(model)[0][: self._kept_layers])


def _number_of_layers(model: "PreTrainedModel", freeze: Freeze) -> int:
    layers = len(layer_lists(model)[0])
    if freeze == "embeddings":
        return 0
    if freeze == "all":
        return layers
    if layers != getattr(model.config, "num_hidden_layers", layers):
        raise InputError.of(
            "E403",
            f"the layers of `{model.config.model_type}` share their weights, and cannot be frozen "
            "one by one",
            "write `freeze: embeddings` or `freeze: all`",
        )
    if freeze > layers:
        raise InputError.of(
            "E403",
            f"`training.freeze` is {freeze}, and the base has {layers} layers",
            f"write {layers} or less",
        )
    return freeze


def _freeze(model: "PreTrainedModel", number: int) -> "list[Module]":
    """Freeze all up to layer `number`; the result is the modules that are to run in eval mode."""
    depths = layer_depths(model)
    if max(depths.values()) <= number:
        raise InputError.of(
            "E403",
            "`training.freeze` leaves nothing to learn: the task adds no head to the base",
            "freeze fewer layers",
        )
    for parameter, depth in depths.items():
        if depth <= number:
            parameter.requires_grad = False
    learning = {
        module
        for layers in layer_lists(model)
        for layer in layers[number:]
        for module in layer.modules()
    }
    parts = up_to_the_layers(model)
    return [module for part in parts for module in part.modules() if module not in learning]
