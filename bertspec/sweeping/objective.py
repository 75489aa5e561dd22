"""What trials are compared by: a metric of the validation split."""

from dataclasses import dataclass

from bertspec.compiler.checks.early_stopping_has_validation import has_validation
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.sweeping.definition import Definition

_SPLIT = "validation"


@dataclass(frozen=True)
class Objective:
    """A metric as metrics.json has it below `validation`."""

    metric: str
    lower_is_better: bool

    @property
    def column(self) -> str:
        """Where the validation curve of a training has it."""
        return "validation_loss" if self.metric == "loss" else self.metric

    def __str__(self) -> str:
        return f"{_SPLIT}.{self.metric}"


def objective_of(sweep: Definition) -> Objective:
    """The metric of a sweep. Raises InputError (E236) for one that may not, or cannot, choose."""
    spec, text = sweep.spec.spec, sweep.file.metric
    task = spec.task
    here = sweep.document.position(("metric",))
    known = list(dict.fromkeys(["loss", *spec.evaluation.metrics, task.headline]))
    split, _, metric = text.partition(".")
    if split == "test":
        raise InputError.of(
            "E236",
            f"`{text}` would choose the best trial by test rows",
            "the best of many trials by test rows is partly the luckiest on them, so they no "
            f"longer tell how good it is on new ones; write `{_SPLIT}.{metric or 'loss'}`",
            here,
        )
    if split != _SPLIT or metric not in known:
        advice = did_you_mean(text, [f"{_SPLIT}.{name}" for name in known])
        if split == _SPLIT and metric in task.metrics:
            advice = f"add `{metric}` to `evaluation.metrics` of `{spec.name}`"
        raise InputError.of("E236", f"no trial has the metric `{text}`", advice, here)
    if not has_validation(sweep.spec):
        raise InputError.of(
            "E236",
            f"`{spec.name}` has no validation split, and `{text}` is of it",
            "give validation a share in `data.split`",
            here,
        )
    if sweep.file.pruner and metric not in ("loss", spec.training.metric_for_best_model):
        raise InputError.of(
            "E236",
            f"the pruner cannot see `{metric}` while `{spec.name}` trains",
            f"write `metric_for_best_model: {metric}` in `training` of the spec, so that it is "
            "measured meanwhile, or leave `pruner` out",
            here,
        )
    return Objective(metric, metric in ("loss", *task.lower_is_better))
