"""A configuration of Ludwig: its encoder and its trainer.

Source of names and defaults: Ludwig 0.10, `ludwig.ai/latest/configuration`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bertspec.importing.section import Section
from bertspec.importing.translation import Translation, base_of, cannot

_ENCODERS: Mapping[str, str] = {
    "bert": "bert-base-uncased",
    "distilbert": "distilbert-base-uncased",
    "roberta": "roberta-base",
    "electra": "google/electra-small-discriminator",
    "albert": "albert-base-v2",
    "deberta": "sileod/deberta-v3-base-tasksource-nli",
    "xlmroberta": "xlm-roberta-base",
    "camembert": "camembert-base",
    "auto_transformer": "",
}
"""Encoder -> the model that it loads by default."""

_LORA_TARGETS: Mapping[str, Sequence[str]] = {
    "distilbert": ("q_lin", "v_lin"),
    "deberta": ("query_proj", "value_proj"),
}
"""Encoder -> what peft changes of it by default, where that is not `query` and `value`."""

_DECAYS = {"linear": "linear", "cosine": "cosine", "exponential": "linear"}

_BOUND = 1000
"""Epochs that are only a bound, where steps end the training."""

_EXAMPLES, _RATE = 32, 2e-5
"""In place of what Ludwig finds by itself."""


def translate_model(text: Section, defaults: Section, made: Translation) -> None:
    """Base, tokenization, and the part of `training` that says which weights are trained.

    Raises InputError (E242) for an encoder that is not pretrained.
    """
    encoder = text.part("encoder").over(defaults.part("encoder"))
    preprocessing = text.part("preprocessing").over(defaults.part("preprocessing"))
    kind = encoder.text("type", "parallel_cnn")
    if kind not in _ENCODERS:
        raise cannot(
            f"an encoder `{kind}`", f"bertspec has pretrained ones: {', '.join(_ENCODERS)}"
        )
    if not encoder.flag("use_pretrained", default=True):
        raise cannot(
            "use_pretrained: false, for a model with random weights",
            "leave it out, and write `model.base: {type: scratch}` into the spec",
        )
    name = encoder.text("pretrained_model_name_or_path", _ENCODERS[kind])
    if not name:
        raise cannot("auto_transformer names no model", "pretrained_model_name_or_path says which")
    made.spec["model"] = {"base": base_of(name)}
    longest = preprocessing.whole("max_sequence_length", 256, 1)
    made.spec["tokenization"] = {
        "max_length": encoder.whole("max_sequence_length", longest, 1),
    }
    training: dict[str, Any] = {}
    if not encoder.flag("trainable", default=False):
        training["freeze"] = "all"
    adapter = encoder.part("adapter")
    if [*adapter]:
        method = adapter.text("type", "lora")
        if method == "lora":
            training = {"lora": _lora(kind, adapter, made)}
        else:
            made.left.append(f"adapter {method}: LoRA is the only one")
    made.spec["training"] = training


def _lora(kind: str, adapter: Section, made: Translation) -> dict[str, Any]:
    rank = adapter.whole("r", 8, 1)
    targets = adapter.take("target_modules")
    if targets is None:
        targets = _LORA_TARGETS.get(kind, ("query", "value"))
        if kind == "auto_transformer":
            made.open.append("training.lora.target_modules: as the model names its layers")
    elif not isinstance(targets, list) or not all(isinstance(t, str) for t in targets):
        raise cannot(f"{adapter.at('target_modules')} is no list of names", "put it right")
    if (biases := adapter.text("bias_type", "none")) != "none":
        made.left.append(f"{adapter.at('bias_type')} {biases}: LoRA trains no biases here")
    return {
        "rank": rank,
        "alpha": float(adapter.number("alpha", 2 * rank)),
        "dropout": adapter.number("dropout", 0.05),
        "target_modules": list(targets),
    }


def translate_training(trainer: Section, made: Translation) -> None:
    """The section `training`. The sections `data` and `training.freeze` are there already."""
    optimizer = trainer.part("optimizer", short="type")
    kind = optimizer.text("type", "adam")
    if kind not in ("adam", "adamw"):
        made.left.append(f"optimizer {kind}: AdamW is the only one")
    first, second = optimizer.numbers("betas", (0.9, 0.999))
    made.spec["training"] |= {
        **_length(trainer),
        "learning_rate": _learning_rate(trainer, made),
        "batch": _batch(trainer, made),
        "optimizer": {
            "beta1": first,
            "beta2": second,
            "epsilon": optimizer.number("eps", 1e-8),
            "weight_decay": optimizer.number("weight_decay", 0.0),
        },
        "schedule": _schedule(trainer.part("learning_rate_scheduler"), made),
        "max_grad_norm": trainer.part("gradient_clipping").number("clipglobalnorm", 0.5) or None,
    }
    _validation(trainer, made)
    trainer.drop("type")
    metric = trainer.text("validation_metric", "loss")
    if metric != "loss":
        made.left.append(f"validation_metric {metric}: see `training.metric_for_best_model`")


def _batch(trainer: Section, made: Translation) -> dict[str, int]:
    for key in ("batch_size", "gradient_accumulation_steps"):
        if trainer.says(key, "auto") or (key == "batch_size" and key not in trainer):
            made.open.append(f"training.batch: {key} is `auto`, and Ludwig finds a number")
    trainer.says("effective_batch_size", "auto")
    accumulate = trainer.whole("gradient_accumulation_steps", 1, 1)
    examples = trainer.whole("batch_size", _EXAMPLES, 1) * accumulate
    examples = trainer.whole("effective_batch_size", examples, 1)
    return {"examples": examples} | ({"accumulate": accumulate} if accumulate != 1 else {})


def _learning_rate(trainer: Section, made: Translation) -> float:
    if not trainer.says("learning_rate", "auto"):
        return trainer.number("learning_rate", 0.001)
    made.open.append("training.learning_rate: `auto` is found by Ludwig")
    return _RATE


def _length(trainer: Section) -> dict[str, Any]:
    epochs = trainer.whole("epochs", 100, 1)
    steps = trainer.whole("train_steps", 0)
    return {"epochs": _BOUND, "max_steps": steps} if steps else {"epochs": epochs}


def _schedule(schedule: Section, made: Translation) -> dict[str, Any]:
    decay = schedule.text("decay", "none")
    if decay == "exponential":
        made.left.append("decay exponential: a straight line stands in its place")
    return {
        "type": _DECAYS.get(decay, "constant"),
        "warmup_ratio": schedule.number("warmup_fraction", 0.0),
    }


def _validation(trainer: Section, made: Translation) -> None:
    """What looks at the validation split, as far as there is one."""
    every = trainer.whole("steps_per_checkpoint", 0)
    patience = trainer.whole("early_stop", 5, -1)  # -1 switches it off
    if made.has_validation():
        made.spec["training"] |= {"validate_every": every} if every else {}
        if patience > 0:
            made.spec["training"]["early_stopping"] = {"patience": patience}
    elif every or patience > 0:
        made.left.append("early_stop and steps_per_checkpoint: there is no validation split")
