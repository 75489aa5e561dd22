"""transformers' TrainingArguments as the section `training` of a spec.

Source of names, meanings and defaults: `transformers.TrainingArguments`, version 5.
"""

import math
from collections.abc import Mapping
from typing import Any

from bertspec.catalog.tasks import TASKS
from bertspec.importing.translation import Translation, cannot

DEFAULTS: Mapping[str, Any] = {
    "learning_rate": 5e-5,
    "num_train_epochs": 3.0,
    "max_steps": -1,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "max_grad_norm": 1.0,
    "lr_scheduler_type": "linear",
    "warmup_ratio": None,
    "warmup_steps": 0,
    "seed": 42,
    "bf16": False,
    "label_smoothing_factor": 0.0,
    "gradient_checkpointing": False,
    "load_best_model_at_end": False,
    "metric_for_best_model": None,
}
"""Arguments that are carried over."""

CHANGE_NO_RESULT = frozenset({
    "output_dir", "overwrite_output_dir", "do_train", "do_eval", "do_predict", "run_name",
    "report_to", "logging_dir", "logging_strategy", "logging_steps", "logging_first_step",
    "disable_tqdm",
    "log_level", "log_level_replica", "save_strategy", "save_steps", "save_total_limit",
    "save_safetensors", "eval_strategy", "evaluation_strategy", "eval_steps", "eval_delay",
    "per_device_eval_batch_size", "dataloader_num_workers", "dataloader_pin_memory", "project",
    "skip_memory_metrics", "resume_from_checkpoint", "remove_unused_columns", "ddp_backend",
    "logging_nan_inf_filter", "include_num_input_tokens_seen", "eval_on_start",
    "auto_find_batch_size", "dataloader_persistent_workers", "dataloader_prefetch_factor",
    "greater_is_better", "log_on_each_node", "eval_do_concat_batches", "hub_strategy",
    "ddp_timeout", "dataloader_in_order", "length_column_name", "local_rank",
    "eval_accumulation_steps",
    "average_tokens_across_devices", "use_legacy_prediction_loop", "save_on_each_node",
})  # fmt: skip
"""Arguments that need no word here: where things are, what is shown, how often it is saved."""

_POLYNOMIAL_END = 1e-7
"""`lr_end` of transformers' `get_polynomial_decay_schedule_with_warmup`, whatever the peak."""

_OPTIMIZERS = ("adamw_torch", "adamw_torch_fused", "adamw_hf", "adam")

_REASONS = {
    "fp16": "models are trained in fp32 or bf16",
    "tf32": "on a GPU the precision is that of torch's defaults",
    "group_by_length": "rows come in random order, without padding where the model can do without",
    "data_seed": "`training.seed` is the seed of everything",
    "push_to_hub": "`bertspec push-to-hub` does that",
    "hub_model_id": "`bertspec push-to-hub` takes it",
    "hub_token": "it is taken from HF_TOKEN",
    "torch_compile": "the loop is not compiled",
    "deepspeed": "several processes of one machine train with `training.batch.shards`",
    "fsdp": "several processes of one machine train with `training.batch.shards`",
    "neftune_noise_alpha": "there is no such noise",
    "lr_scheduler_kwargs": "see the fields of `training.schedule`",
    "optim_args": "see the fields of `training.optimizer`",
    "no_cuda": "`bertspec lock --device cpu`",
    "use_cpu": "`bertspec lock --device cpu`",
    "accelerator_config": "see the fields of `training.batch`",
    "train_sampling_strategy": "see `training.sampling`",
}

_USUAL: Mapping[str, Any] = {
    "hub_token": "<HUB_TOKEN>",
    "train_sampling_strategy": "random",
    "accelerator_config": {
        "split_batches": False, "dispatch_batches": None, "even_batches": True,
        "use_seedable_sampler": True, "non_blocking": False, "gradient_accumulation_kwargs": None,
    },
}  # fmt: skip
"""What `TrainingArguments.to_dict` gives of them where nobody has said anything."""

_NULLABLE: Mapping[str, Any] = {"warmup_ratio": 0.0, "metric_for_best_model": ""}
"""Arguments without a default, and a value of their type."""

_SHARES = ("warmup_steps",)
"""Arguments whose default is whole, which may be a share as well."""

_YES, _NO = ("yes", "true", "t", "y", "1"), ("no", "false", "f", "n", "0")
"""As transformers reads them."""

_METRICS: Mapping[str, str] = {
    "matthews_correlation": "matthews",
    "spearmanr": "spearman",
    "overall_f1": "f1",
    "overall_precision": "precision",
    "overall_recall": "recall",
}
"""What metrics are called by the example scripts, and here."""


def translate_training(given: dict[str, Any], made: Translation) -> None:
    """Take what is known out of `given`, and write the section; what has no place is told.

    The sections `task` and `data` are there already. Raises InputError (E242) for a value of
    another type than the argument's.
    """
    value = {name: typed(name, given.pop(name, d), d) for name, d in DEFAULTS.items()}
    if value["learning_rate"] <= 0:
        raise cannot(f"learning_rate {value['learning_rate']}", "it is above 0")
    _tell_others(given, made)
    accumulate = value["gradient_accumulation_steps"]
    batch = {"examples": value["per_device_train_batch_size"] * accumulate}
    training: dict[str, Any] = {
        "seed": value["seed"],
        **_length(value, made),
        "learning_rate": value["learning_rate"],
        "batch": batch | ({"accumulate": accumulate} if accumulate != 1 else {}),
        "optimizer": {
            "beta1": value["adam_beta1"],
            "beta2": value["adam_beta2"],
            "epsilon": value["adam_epsilon"],
            "weight_decay": value["weight_decay"],
        },
        "schedule": _schedule(value, made),
        "max_grad_norm": value["max_grad_norm"] or None,
    }
    if value["bf16"]:
        training["precision"] = "bf16"
    if value["label_smoothing_factor"]:
        training["label_smoothing"] = value["label_smoothing_factor"]
    if value["gradient_checkpointing"]:
        training["execution"] = {"gradient_checkpointing": True}
    if value["load_best_model_at_end"]:
        if metric := _best_metric(value["metric_for_best_model"] or "loss", made):
            training["metric_for_best_model"] = metric
    else:
        made.left.append(
            "load_best_model_at_end is not set: with a validation split bertspec keeps the best "
            "epoch by loss, without one the last, as here"
        )
    made.spec["training"] = training


def _tell_others(given: dict[str, Any], made: Translation) -> None:
    """Take what has no counterpart, each with its reason, and what needs none."""
    for name in CHANGE_NO_RESULT:
        given.pop(name, None)
    for name, why in _REASONS.items():
        if given.pop(name, None) not in (None, False, "", 0, _USUAL.get(name)):
            made.left.append(f"{name}: {why}")
    optimizer = given.pop("optim", _OPTIMIZERS[0])
    if optimizer not in _OPTIMIZERS:
        made.left.append(f"optim {optimizer}: AdamW is the only optimizer")


def _best_metric(given: str, made: Translation) -> str | None:
    """Our name of the metric; None where there is none, or nothing to measure it on."""
    if not made.has_validation():
        made.left.append(
            "load_best_model_at_end: the validation split is the test here, and a model is not "
            "chosen by its test; `data.split: {type: given, validation: 0.1}` takes rows of train"
        )
        return None
    name = given.removeprefix("eval_")
    name = _METRICS.get(name, name)
    task = TASKS[made.spec["task"]["type"]].model_validate(made.spec["task"])
    if name == "loss" or (name in task.metrics and task.unfit_metric(name) is None):
        return name
    made.left.append(
        f"metric_for_best_model {given}: the task has no such metric, and the loss is in its place"
    )
    return "loss"


def _length(value: Mapping[str, Any], made: Translation) -> dict[str, Any]:
    """Epochs, or steps, which transformers lets rule over epochs."""
    if value["max_steps"] > 0:
        made.left.append("epochs: `max_steps` ends the training, and epochs are only their bound")
        return {"epochs": 1000, "max_steps": value["max_steps"]}
    epochs = value["num_train_epochs"]
    if epochs != math.floor(epochs):
        made.left.append(f"num_train_epochs {epochs}: epochs are whole; `max_steps` ends one early")
    return {"epochs": max(1, math.ceil(epochs))}


def _schedule(value: Mapping[str, Any], made: Translation) -> dict[str, Any]:
    kind, ratio, steps = value["lr_scheduler_type"], value["warmup_ratio"], value["warmup_steps"]
    if 0 < steps < 1:  # since version 5 a share may stand there
        ratio, steps = steps, 0
    warmup = {"warmup_steps": int(steps)} if steps else {"warmup_ratio": ratio or 0.0}
    if kind == "constant":
        return {"type": "constant", "warmup_ratio": 0.0}
    if kind == "constant_with_warmup":
        return {"type": "constant", **warmup}
    if kind == "polynomial":
        if value["learning_rate"] <= _POLYNOMIAL_END:
            raise cannot(
                f"learning_rate {value['learning_rate']}, with the schedule `polynomial`",
                f"the rate falls to {_POLYNOMIAL_END}, and begins above it",
            )
        return {
            "type": "polynomial",
            **warmup,
            "final_ratio": _POLYNOMIAL_END / value["learning_rate"],
        }
    if kind not in ("linear", "cosine"):
        made.left.append(f"lr_scheduler_type {kind}: a straight line stands in its place")
        kind = "linear"
    return {"type": kind, **warmup}


def typed(name: str, value: Any, default: Any) -> Any:
    """An argument as the type of its default, from a text of a command line, or from JSON.

    Raises InputError (E242) for another type, no value at all, and numbers that are not finite.
    """
    like = _NULLABLE.get(name, default)
    if value is None and default in (None, ""):
        return default
    if isinstance(like, bool):
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in (*_YES, *_NO):
            return value.lower() in _YES
        raise cannot(f"{name}: `{value}` is not true or false", "check the argument")
    if isinstance(like, str):
        if isinstance(value, str):
            return value
        raise cannot(f"{name}: `{value}` is no text", "does the argument have a value?")
    number = _number(value)
    if number is None:
        raise cannot(f"{name}: `{value}` is no number", "check the argument")
    if isinstance(like, float) or name in _SHARES:
        return number
    if number != int(number):
        raise cannot(f"{name}: {value} is no whole number", "check the argument")
    return int(number)


def _number(value: Any) -> float | None:
    """None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
