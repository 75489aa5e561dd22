"""A configuration of Ludwig with a pretrained text encoder.

Source of names and defaults: Ludwig 0.10, `ludwig.ai/latest/configuration`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bertspec.core.yaml import load_plain
from bertspec.importing.columns import read_columns
from bertspec.importing.translation import Translation, base_of, cannot, read_text

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

_OUTPUTS: Mapping[str, tuple[str, Sequence[str]]] = {
    "category": ("text-classification", ("accuracy", "f1_macro")),
    "binary": ("text-classification", ("accuracy", "f1")),
    "set": ("multi-label-classification", ("f1_micro",)),
    "number": ("text-regression", ("rmse", "mae", "pearson")),
}

_DECAYS = {"linear": "linear", "cosine": "cosine", "exponential": "linear"}


def translate(arguments: Sequence[str]) -> Translation:
    """A spec of `CONFIG [DATA]`: Ludwig is given the file of data beside its configuration.

    Raises InputError (E242) for what is no such configuration, or has no counterpart.
    """
    if len(arguments) not in (1, 2):
        raise cannot("a configuration and a file of data", "`bertspec import ludwig CONFIG [DATA]`")
    config = _mapping(Path(arguments[0]))
    made = Translation(f"{arguments[0]} of Ludwig")
    made.name(Path(arguments[0]).stem)
    inputs, outputs = config.pop("input_features", []), config.pop("output_features", [])
    texts = [f for f in inputs if f.get("type") == "text"]
    if len(texts) != 1 or len(outputs) != 1:
        raise cannot(
            "it has not one feature of text and one output",
            "a spec has one text, or a pair, and one task",
        )
    for feature in inputs:
        if feature not in texts:
            made.left.append(f"input `{feature.get('name')}`: a model reads texts alone")
    (text,), (output,) = texts, outputs
    if output.get("type") not in _OUTPUTS:
        raise cannot(f"an output of type `{output.get('type')}`", f"one of: {', '.join(_OUTPUTS)}")
    _data(text, output, arguments[1:], config.pop("preprocessing", {}), made)
    _model(text, config, made)
    _training(config.pop("trainer", {}), made)
    made.spec["export"] = [{"type": "onnx"}]
    config.pop("model_type", None)
    made.left += [f"{key}: bertspec has nothing like it" for key in sorted(config)]
    return made


def _mapping(path: Path) -> dict[str, Any]:
    try:
        found = load_plain(read_text(path))
    except yaml.YAMLError as error:
        raise cannot(f"{path} is no YAML: {error}", "put it right") from None
    if not isinstance(found, dict):
        raise cannot(f"{path} is no configuration of Ludwig", "it has input_features")
    return found


def _data(
    text: Mapping[str, Any], output: Mapping[str, Any], files: Sequence[str],
    preprocessing: Mapping[str, Any], made: Translation,
) -> None:  # fmt: skip
    column, label = (feature.get("column") or feature.get("name") for feature in (text, output))
    if not (isinstance(column, str) and isinstance(label, str)):
        raise cannot("a feature has no name", "Ludwig needs one, too")
    kind, metrics = _OUTPUTS[output["type"]]
    task: dict[str, Any] = {"type": kind}
    source: dict[str, Any] = {"type": "csv", "files": {"train": "data/train.csv"}}
    if files:
        found = read_columns(Path(files[0]))
        source = {"type": found.kind, "files": {"train": files[0]}}
        values = found.values(label) if kind != "text-regression" else ()
    else:
        made.open.append("data.source: Ludwig is given the file beside its configuration")
        values = ()
    if kind == "multi-label-classification":
        values = tuple(sorted({word for value in values for word in value.split()}))
    if kind != "text-regression":
        task["labels"] = list(values) or ["first", "second"]
        if not values:
            made.open.append("task.labels: they are in the data")
    made.spec["task"] = task
    is_number = kind == "text-regression"
    made.spec["data"] = {
        "source": source,
        "columns": {
            "text": column,
            "label": {"column": label, "number": True} if is_number else label,
        },
        "split": _split(preprocessing.get("split", {}), made),
    }
    if kind == "multi-label-classification":
        made.open.append("data.columns.label: bertspec wants a list, where Ludwig has words")
    made.spec["evaluation"] = {"metrics": list(metrics)}
    for key in sorted(set(preprocessing) - {"split"}):
        made.left.append(f"preprocessing.{key}: bertspec has nothing like it")


def _split(split: Mapping[str, Any], made: Translation) -> dict[str, Any]:
    kind = split.get("type", "random")
    train, validation, test = split.get("probabilities", (0.7, 0.1, 0.2))
    whole = train + validation + test
    if kind == "fixed":
        made.open.append(
            f"data: Ludwig reads the split from column `{split.get('column', 'split')}` (0, 1, 2); "
            "make a file of each and `split: {type: given}`"
        )
    elif kind == "datetime":
        made.open.append(f"data.split: by time, `{split.get('column')}`; give `test_from`")
    else:
        made.left.append(
            f"split `{kind}`: rows are split by a digest of their content, with the same shares, "
            "so other rows are in them"
        )
    found = {"type": "hash", "validation": validation / whole, "test": test / whole}
    return found | ({"stratify": "label"} if kind == "stratify" else {})


def _model(text: Mapping[str, Any], config: dict[str, Any], made: Translation) -> None:
    defaults = config.pop("defaults", {}).get("text", {})
    encoder = {**defaults.get("encoder", {}), **text.get("encoder", {})}
    kind = encoder.get("type", "parallel_cnn")
    if kind not in _ENCODERS:
        raise cannot(
            f"an encoder `{kind}`", f"bertspec has pretrained ones: {', '.join(_ENCODERS)}"
        )
    name = encoder.get("pretrained_model_name_or_path") or _ENCODERS[kind]
    if not name:
        raise cannot("auto_transformer names no model", "pretrained_model_name_or_path says which")
    made.spec["model"] = {"base": base_of(name)}
    preprocessing = {**defaults.get("preprocessing", {}), **text.get("preprocessing", {})}
    made.spec["tokenization"] = {"max_length": encoder.get("max_sequence_length") or
                                 preprocessing.get("max_sequence_length") or 256}  # fmt: skip
    training: dict[str, Any] = {}
    if not encoder.get("trainable", False):
        training["freeze"] = "all"
    if (adapter := encoder.get("adapter")) is not None:
        if adapter.get("type") == "lora":
            training.pop("freeze", None)
            rank = adapter.get("r", 8)
            training["lora"] = {"rank": rank, "alpha": float(adapter.get("alpha") or 2 * rank)}
        else:
            made.left.append(f"adapter {adapter.get('type')}: LoRA is the only one")
    known = {"type", "pretrained_model_name_or_path", "trainable", "adapter", "use_pretrained",
             "max_sequence_length"}  # fmt: skip
    made.left += [f"encoder.{key}: the base has its own" for key in sorted(set(encoder) - known)]
    if config.pop("combiner", None):
        made.left.append("combiner: one text needs none")
    made.spec["training"] = training


def _training(trainer: Mapping[str, Any], made: Translation) -> None:
    trainer = dict(trainer)
    optimizer = trainer.pop("optimizer", {})
    optimizer = {"type": optimizer} if isinstance(optimizer, str) else optimizer
    if optimizer.get("type", "adam") not in ("adam", "adamw"):
        made.left.append(f"optimizer {optimizer['type']}: AdamW is the only one")
    first, second = optimizer.get("betas", (0.9, 0.999))
    rate = trainer.pop("learning_rate", 0.001)
    if rate == "auto":
        made.open.append("training.learning_rate: `auto` is found by Ludwig")
        rate = 2e-5
    batch = trainer.pop("batch_size", "auto")
    if batch == "auto":
        made.open.append("training.batch.examples: `auto` is found by Ludwig")
        batch = 32
    schedule = trainer.pop("learning_rate_scheduler", {}) or {}
    decay = schedule.get("decay")
    if decay == "exponential":
        made.left.append("decay exponential: a straight line stands in its place")
    clipping = trainer.pop("gradient_clipping", {}) or {}
    stop = trainer.pop("early_stop", 5)
    accumulate = trainer.pop("gradient_accumulation_steps", 1) or 1
    made.spec["training"] |= {
        "epochs": trainer.pop("epochs", 100),
        "learning_rate": rate,
        "batch": {"examples": batch * accumulate}
        | ({"accumulate": accumulate} if accumulate != 1 else {}),
        "optimizer": {
            "beta1": first,
            "beta2": second,
            "epsilon": optimizer.get("eps", 1e-8),
            "weight_decay": optimizer.get("weight_decay", 0.0),
        },
        "schedule": {
            "type": _DECAYS.get(str(decay), "constant"),
            "warmup_ratio": schedule.get("warmup_fraction", 0.0),
        },
        "max_grad_norm": clipping.get("clipglobalnorm", 0.5),
    }
    if stop and stop > 0:
        made.spec["training"]["early_stopping"] = {"patience": stop}
    if seed := trainer.pop("random_seed", None):
        made.spec["training"]["seed"] = seed
    trainer.pop("type", None)
    metric = trainer.pop("validation_metric", None)
    if metric not in (None, "loss"):
        made.left.append(f"validation_metric {metric}: see `training.metric_for_best_model`")
    made.left += [f"trainer.{key}: bertspec has nothing like it" for key in sorted(trainer)]
