"""What a step lowers: the loss of the task, and how far the model is from its teacher."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Batch, Tokens
from bertspec.catalog.task import LossOptions, Task
from bertspec.pipeline.params.distillation import Distillation
from bertspec.pipeline.params.train import Training

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Running = Callable[[Batch], AbstractContextManager[object]]
"""What holds while the model runs over a batch."""


@dataclass(frozen=True)
class Teacher:
    """A trained model that says what another one is to say."""

    model: "PreTrainedModel"
    """In eval mode."""
    options: Distillation


@dataclass(frozen=True)
class Objective:
    """A loss that is lowered; without a teacher it is the task's."""

    task: Task
    options: LossOptions = field(default_factory=LossOptions)
    bf16: bool = False
    teacher: Teacher | None = None
    running: Running = nullcontext

    @classmethod
    def of(
        cls,
        task: Task,
        training: Training,
        tokens: Tokens,
        teacher: Teacher | None = None,
        running: Running = nullcontext,
    ) -> "Objective":
        """That of a training on `tokens`."""
        weights = _class_weights(task, training, tokens)
        options = LossOptions(training.label_smoothing, weights, training.focal_gamma)
        return cls(task, options, training.precision == "bf16", teacher, running)

    def loss(self, model: "PreTrainedModel", batch: Batch) -> "tuple[torch.Tensor, torch.Tensor]":
        """Sum of the losses of what the batch has targets for, and of their weights: see `Task`.

        With a teacher each is `(1 - alpha)` of the task's and `alpha` of how far the outputs are
        from the teacher's (Hinton et al., 2015).
        """
        import torch

        batch = batch.to(model.device)
        with self.running(batch):
            outputs = self._outputs(model, batch)
        total, weight = self.task.loss(outputs, batch, self.options)
        if self.teacher is None:
            return total, weight
        with torch.no_grad():
            wanted = self._outputs(self.teacher.model, batch)
        temperature, alpha = self.teacher.options.temperature, self.teacher.options.alpha
        far = self.task.distillation_loss(outputs, wanted, batch, temperature, self.options)
        return (1 - alpha) * total + alpha * far, weight

    def _outputs(self, model: "PreTrainedModel", batch: Batch) -> "torch.Tensor":
        """What `Task.loss` takes, as float32."""
        import torch

        # Graphs of a GPU take no cache; no weight is read twice, but in ALBERT.
        device = model.device.type
        cached = device == "cpu"
        with torch.autocast(device, torch.bfloat16, enabled=self.bf16, cache_enabled=cached):
            outputs = self.task.forward_for_loss(model, batch)
        return outputs.float()


def _class_weights(task: Task, options: Training, tokens: Tokens) -> Sequence[float] | None:
    chosen = options.class_weights
    if isinstance(chosen, dict):
        return [chosen[label] for label in task.known_labels()]
    return None if chosen is None else task.balanced_weights(tokens)
