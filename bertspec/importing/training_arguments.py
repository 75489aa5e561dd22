"""transformers' TrainingArguments as the section `training` of a spec.

Source of names, meanings and defaults: `transformers.TrainingArguments`, version 5.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from bertspec.importing.translation import Translation

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
    "greater_is_better",
})  # fmt: skip
"""Arguments that need no word here: where things are, what is shown, how often it is saved."""

_OPTIMIZERS = ("adamw_torch", "adamw_torch_fused", "adamw_hf")

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
}


def translate_training(given: dict[str, Any], made: Translation) -> None:
    """Take what is known out of `given`, and write the section; what has no place is told."""
    value = {name: given.pop(name, default) for name, default in DEFAULTS.items()}
    for name in CHANGE_NO_RESULT:
        given.pop(name, None)
    for name, why in _REASONS.items():
        if given.pop(name, None) not in (None, False, "", 0):
            made.left.append(f"{name}: {why}")
    optimizer = given.pop("optim", _OPTIMIZERS[0])
    if optimizer not in _OPTIMIZERS:
        made.left.append(f"optim {optimizer}: AdamW is the only optimizer")
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
        metric = value["metric_for_best_model"] or "loss"
        training["metric_for_best_model"] = metric.removeprefix("eval_")
    else:
        made.left.append(
            "load_best_model_at_end is not set: with a validation split bertspec keeps the best "
            "epoch by loss, without one the last, as here"
        )
    made.spec["training"] = training


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
        # transformers ends at 1e-7, whatever the peak.
        return {"type": "polynomial", **warmup, "final_ratio": 1e-7 / value["learning_rate"]}
    if kind not in ("linear", "cosine"):
        made.left.append(f"lr_scheduler_type {kind}: a straight line stands in its place")
        kind = "linear"
    return {"type": kind, **warmup}


def parsed(text: str, like: Any) -> Any:
    """An argument of a command line as the type of its default."""
    kinds: dict[type, Callable[[str], Any]] = {
        bool: lambda t: t.lower() in ("true", "1", "yes", "t", "y"),
        int: lambda t: int(float(t)) if float(t) >= 1 or float(t) <= 0 else float(t),
        float: float,
    }
    if like is None:
        try:
            return float(text)
        except ValueError:
            return text
    return kinds.get(type(like), str)(text)
