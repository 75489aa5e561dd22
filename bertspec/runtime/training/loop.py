"""The training loop, from the first step to the best model."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

from bertspec.catalog.batch import Draw, Tokens
from bertspec.catalog.task import Task
from bertspec.core.progress import Bar
from bertspec.core.progress import progress as progress_bar
from bertspec.pipeline.params.train import Training
from bertspec.runtime.training.batches import Units, in_parts, training_order
from bertspec.runtime.training.checkpoints import (
    Checkpoints,
    Curves,
    Progress,
    live_weights,
    put_weights,
)
from bertspec.runtime.training.dropout import fast_dropout
from bertspec.runtime.training.freezing import Frozen
from bertspec.runtime.training.gradients import clip
from bertspec.runtime.training.in_flight import Step
from bertspec.runtime.training.measurements import Measurements, Publish, Score, unpublished
from bertspec.runtime.training.no_number import (
    Named,
    alone_at_fault,
    in_the_split,
    no_number,
)
from bertspec.runtime.training.objective import Objective, Teacher
from bertspec.runtime.training.optimization import averaged, make_optimizer, rate_factor, set_rate
from bertspec.runtime.training.packing import IN_PARTS, packing
from bertspec.runtime.training.sampling import epoch_size, sample
from bertspec.runtime.training.sharding import backward_of_step
from bertspec.runtime.training.team import ALONE, Team
from bertspec.runtime.training.tensorboard import Observer, unobserved

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def train(
    model: "PreTrainedModel",
    task: Task,
    options: Training,
    tokens: Tokens,
    validation: Tokens,
    score: Score | None,
    pad_id: int,
    checkpoints: Checkpoints,
    observe: Observer = unobserved,
    teacher: Teacher | None = None,
    team: Team = ALONE,
    publish: Publish = unpublished,
    named: Named = in_the_split,
) -> Curves:
    """Train `model` in place on `tokens`; at the end it has the weights that measured best.

    With `options.ema` it is averaged weights that are measured and kept. `score` gives the metric
    that chooses the best ones, if it is not the loss. The order of rows is a function of seed and
    epoch, and dropout of seed and step. From a checkpoint it goes on as if it had never stopped.
    `observe` is told each step and each measurement. `teacher` is what the model learns from,
    beside the targets, as `options.distillation` says. The processes of `team` train together, and
    all have the same model. `publish` is given the curves after each measurement, and `named` is
    how errors name rows.
    Raises InputError: E404 for a loss or a gradient that is no number, E403 for layers that are
    not known.
    """
    frozen = Frozen(model, task, options)
    objective = Objective.of(task, options, tokens, teacher, frozen.running)
    optimizer = make_optimizer(model, options.optimizer, options.learning_rate, options.layer_decay)
    learning = [p for p in model.parameters() if p.requires_grad]
    average = averaged(model, options.ema)
    shown = cast("PreTrainedModel", average.module) if average else model
    units = Units(task, tokens)
    labels = task.label_numbers(tokens) if task.label_names() else None
    size = options.batch.examples
    epochs, steps = _extent(options, epoch_size(options.sampling, units.lengths, labels))
    progress, weights = checkpoints.resume(model, optimizer, average, steps)
    team.meet(progress.step)
    measurements = Measurements(
        options, task, validation, score, pad_id, steps, progress, weights, team, publish
    )

    def keep(*_: object, **__: object) -> None:  # may be called as a bar is
        checkpoints.save_if_due(model, optimizer, progress, measurements.weights, average)

    frozen.fill(tokens, pad_id, steps * size // len(units.lengths), checkpoints.folder, keep)
    with progress_bar("train", steps) as bar, fast_dropout(model), packing(model) as packed:
        # In others a text may get something from padding: a step is divided only where one asks.
        divides = task.loss_is_a_sum and model.config.model_type in IN_PARTS and not packed
        bar(progress.step)
        # Other families may have buffers that a pass changes, and are kept between two steps.
        runs_ahead = packed and model.device.type != "cpu"
        notes = _Notes(progress, tokens, observe, keep, bar, runs_ahead, named)
        while progress.epoch < epochs and not measurements.has_stopped:
            frozen.train()
            draw = Draw(options.seed, progress.epoch)
            collated = partial(
                in_parts, task, tokens, units, options.batch, pad_id, draw,
                padded=not packed, by_length=divides,
            )  # fmt: skip
            order = training_order(
                len(units.lengths), draw.seed, draw.epoch, size,
                sample(options.sampling, labels, draw.seed, draw.epoch),
            )  # fmt: skip
            # What is left of the epoch; `max_steps` may cut the last one short.
            for chosen in order[progress.step - progress.begun :][: steps - progress.step]:
                if measurements.may_be_due(notes.step):
                    notes.settle()
                # Before a step, so that one that a checkpoint comes before is not left out.
                if measurements.take_if_due(shown, frozen, keep, observe):
                    frozen.train()
                if measurements.has_stopped:
                    break
                step = notes.step
                rate = options.learning_rate * rate_factor(options.schedule, step, steps)
                set_rate(optimizer, rate)
                found = backward_of_step(
                    model, objective, options, step, chosen, units.lengths, collated, team
                )
                notes.settle()  # of the step before, so that a GPU has this one to go on with
                length = clip(learning, options.max_grad_norm)
                taken = notes.looked_at(
                    Step.of(found, length, rate, units.sequences(chosen)),
                    partial(alone_at_fault, model, objective, collated, units, chosen),
                )
                optimizer.step()
                optimizer.zero_grad()
                if average:
                    average.update_parameters(model)
                notes.add(taken)
            notes.settle()
            measurements.take_if_due(shown, frozen, keep, observe, epoch_is_done=True)
            progress.end_epoch()
            keep()
    put_weights(model, measurements.weights or live_weights(shown))
    return progress.curves


@dataclass
class _Notes:
    """What is noted of each step when it is done: a GPU is handed the next one before that."""

    progress: Progress
    tokens: Tokens
    observe: Observer
    keep: Callable[[], None]
    bar: Bar
    runs_ahead: bool
    """Whether the next step is handed out before one is noted."""
    named: Named
    last: Step | None = None
    """The step that is not noted yet."""
    seen: int = 0
    """Tokens."""
    started: float = field(default_factory=time.monotonic)

    @property
    def step(self) -> int:
        """Steps that are done or handed out, in all epochs."""
        return self.progress.step + (self.last is not None)

    def add(self, step: Step) -> None:
        """Have a step noted."""
        self.last = step
        if not self.runs_ahead:
            self.settle()

    def looked_at(self, step: Step, at_fault: Callable[[], Sequence[int]]) -> Step:
        """A step that the weights do not have yet. Raises what `settle` does, if it can be told.

        `at_fault` finds, by the weights, which sequences alone give no number.
        """
        if step.is_there:
            self._finite(step, at_fault)
        return step

    def _finite(
        self, step: Step, at_fault: Callable[[], Sequence[int]] = list
    ) -> tuple[float, float]:
        loss, norm = step.numbers()
        if math.isfinite(loss) and math.isfinite(norm):
            return loss, norm
        # Several sequences may be of one row.
        rows = {self.tokens.row(int(sequence)) for sequence in step.sequences}
        wrong = set() if math.isfinite(loss) else {self.tokens.row(s) for s in at_fault()}
        raise no_number(loss, norm, self.progress.step, rows, wrong, self.named)

    def settle(self) -> None:
        """Wait for the last step and note it; raises InputError (E404) if it is no number."""
        if self.last is None:
            return
        loss, norm = self._finite(self.last)
        step, rate, sequences = self.progress.step, self.last.rate, self.last.sequences
        self.last = None
        self.progress.add(loss, rate)
        self.observe("steps", step, {"loss": loss, "learning_rate": rate, "gradient_norm": norm})
        self.keep()
        self.seen += int(self.tokens.lengths[sequences].sum())
        speed = self.seen / (time.monotonic() - self.started)
        self.bar(note=f"loss {loss:.3f}, {speed:,.0f} tokens/s")


def _extent(options: Training, examples: int) -> tuple[int, int]:
    """Epochs that are begun, and steps that are taken, with so many examples in an epoch."""
    in_epoch = math.ceil(examples / options.batch.examples)
    steps = min(options.epochs * in_epoch, options.max_steps or sys.maxsize)
    return math.ceil(steps / in_epoch), steps
