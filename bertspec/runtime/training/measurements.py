"""Measuring a model on the validation split: when, which weights are best, and when to stop."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Tokens
from bertspec.catalog.task import Task
from bertspec.core.errors import InputError
from bertspec.core.progress import Bar
from bertspec.pipeline.params.train import Training
from bertspec.runtime.inference import infer
from bertspec.runtime.training.checkpoints import Curves, Progress, Weights, copied_weights
from bertspec.runtime.training.freezing import Frozen
from bertspec.runtime.training.team import ALONE, Team
from bertspec.runtime.training.tensorboard import Axis, Observer

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

Score = Callable[["Sequence[np.ndarray]"], Mapping[str, float]]
"""What a model says of the validation split, see `Task.keep` -> the metric of that."""

Publish = Callable[[Curves], None]
"""Is given what training has written down so far."""


def unpublished(curves: Curves) -> None:
    """Does nothing with it."""


@dataclass
class Measurements:
    """One after each epoch; or, with `options.validate_every`, after so many steps and the last.

    Each is a row of the validation curve, with the training's loss alone where the split is empty.
    """

    options: Training
    task: Task
    validation: Tokens
    score: Score | None
    pad_id: int
    steps: int
    """Of the whole training."""
    progress: Progress
    weights: Weights | None
    """The best ones so far, if any were measured."""
    team: Team = ALONE
    publish: Publish = unpublished
    """Is given the curves so far after each measurement."""

    def take_if_due(
        self,
        model: "PreTrainedModel",
        frozen: Frozen,
        keep: Bar,
        observe: Observer,
        *,
        epoch_is_done: bool = False,
    ) -> bool:
        """Measure `model`, and leave it in eval mode, if that is to be before the next step.

        Raises InputError (E404) for a loss that is no number.
        """
        if not self._due(epoch_is_done=epoch_is_done):
            return False
        every, progress = self.options.validate_every, self.progress
        losses = progress.losses
        if every is not None:
            losses = progress.curves.losses[self._last_step :]
        row = {"train_loss": sum(losses) / len(losses)}
        if len(self.validation):
            row |= self._measure(model, frozen, keep)
            self._see(model, row)
        column, axis, number = _place(every, progress)
        progress.curves.validation.append({column: number, **row})
        observe(axis, number, row)
        self.publish(progress.curves)
        return True

    @property
    def has_stopped(self) -> bool:
        """Whether `early_stopping` has waited long enough for better weights."""
        stopping = self.options.early_stopping
        return stopping is not None and self.progress.waited >= stopping.patience

    def may_be_due(self, step: int) -> bool:
        """Whether there may be a measurement within an epoch when so many steps are done."""
        every = self.options.validate_every
        return every is not None and step % every == 0

    def _due(self, *, epoch_is_done: bool) -> bool:
        every, step = self.options.validate_every, self.progress.step
        if every is None:
            return epoch_is_done
        return (step % every == 0 or step == self.steps) and step > self._last_step

    @property
    def _last_step(self) -> int:
        """Steps that were done at the last measurement, of those every few steps."""
        rows = self.progress.curves.validation
        return int(rows[-1]["step"]) if rows else 0

    def _measure(self, model: "PreTrainedModel", frozen: Frozen, keep: Bar) -> dict[str, float]:
        """Loss on validation, and the metric that chooses the best model."""
        run = frozen.runner(model, self.task)
        kept, loss = infer(run, self.task, self.validation, self.pad_id, keep, self.team)
        if not math.isfinite(loss):
            raise InputError.of(
                "E404",
                f"the loss on the validation split is {loss}",
                "lower `training.learning_rate`",
            )
        return {"validation_loss": loss, **(self.score(kept) if self.score else {})}

    def _see(self, model: "PreTrainedModel", row: Mapping[str, float]) -> None:
        """Keep the weights if they are the best so far."""
        name, stopping = self.options.metric_for_best_model, self.options.early_stopping
        sign = -1.0 if name in ("loss", *self.task.lower_is_better) else 1.0
        score, so_far = sign * row["validation_loss" if name == "loss" else name], self.progress
        threshold = stopping.threshold if stopping else 0.0
        so_far.waited = 0 if score > so_far.score + threshold else so_far.waited + 1
        if score > so_far.score:
            so_far.score = score
            self.weights = copied_weights(model)


def _place(every: int | None, progress: Progress) -> tuple[str, Axis, int]:
    """Column and TensorBoard's axis of a measurement, and its number there.

    The loss of step `n`, counted from 0, is of the same weights as a measurement at `n`.
    """
    if every is None:
        return "epoch", "epochs", progress.epoch + 1
    return "step", "measurements", progress.step
