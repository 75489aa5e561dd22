"""The training loop, from the first step to the best model."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import LossOptions, Task
from bertspec.core.errors import BertspecError, InputError
from bertspec.core.progress import progress
from bertspec.pipeline.params.train import Training
from bertspec.runtime.inference import infer
from bertspec.runtime.training.batches import Batch, Tokens, collate, training_order
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
    train_tokens: Tokens,
    validation_tokens: Tokens,
    pad_id: int,
) -> Curves:
    """Train `model` in place; at the end it has the weights of its best epoch.

    The order of rows is a function of seed and epoch; dropout draws from torch's generator, which
    the caller has seeded. Raises InputError (E404) for a loss or a gradient that is no number.
    """
    import torch
    from torch.nn.utils import clip_grad_norm_

    loss_options = LossOptions(options.label_smoothing, _class_weights(task, options, train_tokens))
    optimizer = make_optimizer(model, options.optimizer, options.learning_rate)
    per_epoch = math.ceil(
        epoch_size(options.sampling, train_tokens.targets) / options.batch.examples
    )
    steps = per_epoch * options.epochs
    curves, best = Curves(), _Best(options)
    step, started, seen = 0, time.monotonic(), 0
    with progress("train", steps) as bar:
        for epoch in range(options.epochs):
            model.train()
            losses = []
            drawn = sample(options.sampling, train_tokens.targets, options.seed, epoch)
            for rows in training_order(
                train_tokens.lengths, options.seed, epoch, options.batch.examples, drawn
            ):
                batch = collate(train_tokens, rows, pad_id)
                rate = options.learning_rate * rate_factor(options.schedule, step, steps)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
                    logits = model(**batch.inputs).logits
                loss = task.loss(logits.float(), batch.targets, loss_options)
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise _not_finite("the loss", value, step, batch, train_tokens)
                loss.backward()
                norm = clip_grad_norm_(model.parameters(), options.max_grad_norm or math.inf)
                if not math.isfinite(norm):
                    raise _not_finite("the gradient's norm", float(norm), step, batch, train_tokens)
                optimizer.step()
                optimizer.zero_grad()
                losses.append(value)
                curves.loss.append({"step": step, "loss": value})
                curves.learning_rate.append({"step": step, "learning_rate": rate})
                step += 1
                seen += batch.real_tokens
                bar(note=f"loss {value:.3f}, {seen / (time.monotonic() - started):,.0f} tokens/s")
            row = {"epoch": epoch + 1, "train_loss": sum(losses) / len(losses)}
            if len(validation_tokens):
                row |= _validate(model, task, options, validation_tokens, pad_id)
                best.see(model, row)
            curves.validation.append(row)
            if best.has_stopped:
                break
    best.restore(model)
    return curves


def _validate(
    model: "PreTrainedModel", task: Task, options: Training, tokens: Tokens, pad_id: int
) -> dict[str, float]:
    """Loss on validation, and the metric that chooses the best model."""
    logits, loss = infer(model, task, tokens, pad_id)
    if not math.isfinite(loss):
        raise InputError.of(
            "E404", f"the loss on the validation split is {loss}", "lower `training.learning_rate`"
        )
    row = {"validation_loss": loss}
    name = options.metric_for_best_model
    if name != "loss":
        row |= task.measure([name], task.predictions(tokens.row_ids, tokens.targets, logits))
    return row


class _Best:
    """Keeps the weights of the best epoch, and knows when to stop waiting for a better one."""

    def __init__(self, options: Training) -> None:
        by_loss = options.metric_for_best_model == "loss"
        self._key = "validation_loss" if by_loss else options.metric_for_best_model
        self._sign = -1.0 if by_loss else 1.0
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
    labels = task.label_names()
    chosen = options.class_weights
    if chosen is None:
        return None
    if isinstance(chosen, dict):
        return [chosen[label] for label in labels]
    from sklearn.utils.class_weight import compute_class_weight

    weights: Callable[[], Sequence[float]] = compute_class_weight(
        "balanced", classes=list(range(len(labels))), y=tokens.targets
    ).tolist
    return weights()


def _not_finite(what: str, value: float, step: int, batch: Batch, tokens: Tokens) -> BertspecError:
    ids = ", ".join(str(tokens.row_ids[int(row)]) for row in batch.rows[:5])
    return InputError.of(
        "E404",
        f"{what} is {value} in step {step}; the batch began with rows {ids}",
        "lower `training.learning_rate`, or set `training.max_grad_norm`",
    )
