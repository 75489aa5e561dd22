"""The training loop, from the first step to the best model."""

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bertspec.catalog.batch import Batch, Draw, Tokens
from bertspec.catalog.task import LossOptions, Task
from bertspec.core.errors import BertspecError, InputError
from bertspec.core.progress import progress
from bertspec.pipeline.params.train import Training
from bertspec.runtime.examples import Examples
from bertspec.runtime.inference import infer, model_runner
from bertspec.runtime.predictions import predicted
from bertspec.runtime.training.batches import Units, collate, training_order
from bertspec.runtime.training.optimization import make_optimizer, rate_factor
from bertspec.runtime.training.sampling import epoch_size, sample

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class Curves:
    """What training writes down as it goes; each row becomes a row of a plot."""

    loss: list[dict[str, float]] = field(default_factory=list)
    learning_rate: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)


def train(
    model: "PreTrainedModel",
    task: Task,
    options: Training,
    tokens: Tokens,
    validation: Examples,
    pad_id: int,
) -> Curves:
    """Train `model` in place on `tokens`; at the end it has the weights of its best epoch.

    The order of rows is a function of seed and epoch; dropout draws from torch's generator, which
    the caller has seeded. Raises InputError (E404) for a loss or a gradient that is no number.
    """
    import torch
    from torch.nn.utils import clip_grad_norm_

    loss_options = LossOptions(options.label_smoothing, _class_weights(task, options, tokens))
    optimizer = make_optimizer(model, options.optimizer, options.learning_rate)
    units = Units(task, tokens)
    labels = task.label_numbers(tokens) if task.label_names() else None
    size = options.batch.examples
    steps = options.epochs * math.ceil(epoch_size(options.sampling, units.lengths, labels) / size)
    curves, best = Curves(), _Best(options, task)
    step, started, seen = 0, time.monotonic(), 0
    with progress("train", steps) as bar:
        for epoch in range(options.epochs):
            model.train()
            losses = []
            drawn = sample(options.sampling, labels, options.seed, epoch)
            draw = Draw(options.seed, epoch)
            for chosen in training_order(units.lengths, options.seed, epoch, size, drawn):
                batch = collate(task, tokens, units.sequences(chosen), pad_id, draw)
                rate = options.learning_rate * rate_factor(options.schedule, step, steps)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
                    outputs = task.forward(model, batch.inputs)
                total, weight = task.loss(outputs.float(), batch, loss_options)
                loss = total / weight
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise _not_finite("the loss", value, step, batch, tokens)
                loss.backward()
                norm = clip_grad_norm_(model.parameters(), options.max_grad_norm or math.inf)
                if not math.isfinite(norm):
                    raise _not_finite("the gradient's norm", float(norm), step, batch, tokens)
                optimizer.step()
                optimizer.zero_grad()
                losses.append(value)
                curves.loss.append({"step": step, "loss": value})
                curves.learning_rate.append({"step": step, "learning_rate": rate})
                step += 1
                seen += int(batch.lengths.sum())
                bar(note=f"loss {value:.3f}, {seen / (time.monotonic() - started):,.0f} tokens/s")
            row = {"epoch": epoch + 1, "train_loss": sum(losses) / len(losses)}
            if len(validation):
                row |= _validate(model, task, options, validation, pad_id)
                best.see(model, row)
            curves.validation.append(row)
            if best.has_stopped:
                break
    best.restore(model)
    return curves


def _validate(
    model: "PreTrainedModel", task: Task, options: Training, validation: Examples, pad_id: int
) -> dict[str, float]:
    """Loss on validation, and the metric that chooses the best model."""
    kept, loss = infer(model_runner(model, task), task, validation.tokens, pad_id)
    if not math.isfinite(loss):
        raise InputError.of(
            "E404", f"the loss on the validation split is {loss}", "lower `training.learning_rate`"
        )
    row = {"validation_loss": loss}
    name = options.metric_for_best_model
    if name != "loss":
        row |= task.measure([name], predicted(task, validation, kept, {}))
    return row


class _Best:
    """Keeps the weights of the best epoch, and knows when to stop waiting for a better one."""

    def __init__(self, options: Training, task: Task) -> None:
        name = options.metric_for_best_model
        self._key = "validation_loss" if name == "loss" else name
        self._sign = -1.0 if name in ("loss", *task.lower_is_better) else 1.0
        self._stopping = options.early_stopping
        self._score = -math.inf
        self._weights: dict[str, Any] | None = None
        self._waited = 0

    def see(self, model: "PreTrainedModel", row: dict[str, float]) -> None:
        score = self._sign * row[self._key]
        threshold = self._stopping.threshold if self._stopping else 0.0
        self._waited = 0 if score > self._score + threshold else self._waited + 1
        if score > self._score:
            self._score = score
            self._weights = copy.deepcopy(model.state_dict())

    @property
    def has_stopped(self) -> bool:
        return self._stopping is not None and self._waited >= self._stopping.patience

    def restore(self, model: "PreTrainedModel") -> None:
        if self._weights is not None:
            model.load_state_dict(self._weights)


def _class_weights(task: Task, options: Training, tokens: Tokens) -> Sequence[float] | None:
    chosen = options.class_weights
    if isinstance(chosen, dict):
        return [chosen[label] for label in task.known_labels()]
    return None if chosen is None else task.balanced_weights(tokens)


def _not_finite(what: str, value: float, step: int, batch: Batch, tokens: Tokens) -> BertspecError:
    ids = ", ".join(tokens.row_id(int(row)) for row in batch.rows[:5])
    return InputError.of(
        "E404",
        f"{what} is {value} in step {step}; the batch began with rows {ids}",
        "lower `training.learning_rate`, or set `training.max_grad_norm`",
    )
