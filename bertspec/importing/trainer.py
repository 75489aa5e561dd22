"""A folder that transformers' Trainer has saved: its config.json, trainer_state.json and README.md.

Its training_args.bin is a pickle, which is never loaded; the model card that Trainer writes has
what matters of it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bertspec.importing.training_arguments import translate_training
from bertspec.importing.translation import Translation, base_of, cannot, read_text

_TASKS: Mapping[str, str] = {
    "SequenceClassification": "text-classification",
    "TokenClassification": "token-classification",
    "QuestionAnswering": "question-answering",
    "MaskedLM": "masked-lm",
    "MultipleChoice": "multiple-choice",
}
"""Head of an architecture, as transformers ends its name -> task."""

_METRICS: Mapping[str, Sequence[str]] = {
    "text-classification": ("accuracy", "f1_macro"),
    "multi-label-classification": ("f1_micro",),
    "text-regression": ("pearson", "rmse"),
    "token-classification": ("f1",),
    "question-answering": ("f1", "exact_match"),
    "masked-lm": ("perplexity",),
    "multiple-choice": ("accuracy",),
}

_CARD: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "learning_rate": ("learning_rate", float),
    "train_batch_size": ("per_device_train_batch_size", int),
    "gradient_accumulation_steps": ("gradient_accumulation_steps", int),
    "seed": ("seed", int),
    "lr_scheduler_type": ("lr_scheduler_type", str),
    "lr_scheduler_warmup_ratio": ("warmup_ratio", float),
    "lr_scheduler_warmup_steps": ("warmup_steps", float),
    "num_epochs": ("num_train_epochs", float),
    "training_steps": ("max_steps", int),
    "label_smoothing_factor": ("label_smoothing_factor", float),
}
"""Lines of the model card (`transformers/modelcard.py`) -> arguments."""


def translate(arguments: Sequence[str]) -> Translation:
    """Raises InputError (E242) for what is no such folder, or a model of another task."""
    if len(arguments) != 1:
        raise cannot("one folder is translated", "`bertspec import trainer FOLDER`")
    folder = Path(arguments[0])
    config = _json(folder / "config.json")
    made = Translation(f"{folder} of transformers' Trainer")
    made.name(folder.resolve().name)
    _task(config, made)
    base = config.get("_name_or_path")
    if not base:
        made.open.append("model.base: config.json does not say which model it was")
        base = f"{config.get('model_type', 'bert')}-base"
    made.spec["model"] = {"base": base_of(str(base))}
    given, told = _hyperparameters(folder)
    if not told:
        made.open.append("training: neither README.md nor trainer_state.json tell its arguments")
    made.left.append(
        "training_args.bin: it is a pickle, and never loaded; what README.md and "
        "trainer_state.json do not tell is as transformers has it by default, such as weight decay"
    )
    translate_training(given, made)
    made.open.append("data: its source and columns, and `tokenization.max_length`")
    made.spec["data"] = {
        "source": {"type": "csv", "files": {"train": "data/train.csv"}},
        "columns": {"text": "text", "label": "label"},
        "split": {"type": "hash"},
    }
    made.spec["tokenization"] = {"max_length": 128}
    made.spec["export"] = [{"type": "onnx"}]
    return made


def _task(config: Mapping[str, Any], made: Translation) -> None:
    names = config.get("architectures") or ["none"]
    kind = next((t for end, t in _TASKS.items() if str(names[0]).endswith(f"For{end}")), None)
    if kind is None:
        raise cannot(
            f"{names[0]} is a model of no task of bertspec", f"those of {', '.join(_TASKS)}"
        )
    labels = [label for _, label in sorted(_labels(config).items())]
    if kind == "text-classification":
        kinds = {
            "regression": "text-regression",
            "multi_label_classification": "multi-label-classification",
        }
        kind = kinds.get(str(config.get("problem_type")), kind)
    task: dict[str, Any] = {"type": kind}
    if kind == "token-classification":
        types = dict.fromkeys(label.partition("-")[2] for label in labels if "-" in label)
        task["labels"] = list(types) or labels
    elif kind in ("text-classification", "multi-label-classification"):
        task["labels"] = labels
        if all(label.startswith("LABEL_") for label in labels):
            made.open.append("task.labels: config.json has but their numbers")
    made.spec["task"] = task
    made.spec["evaluation"] = {"metrics": list(_METRICS[kind])}


def _labels(config: Mapping[str, Any]) -> dict[int, str]:
    given = config.get("id2label") or {0: "LABEL_0", 1: "LABEL_1"}
    return {int(number): str(label) for number, label in given.items()}


def _hyperparameters(folder: Path) -> tuple[dict[str, Any], bool]:
    """Arguments of the training, and whether anything told them."""
    given: dict[str, Any] = {}
    if (folder / "trainer_state.json").is_file():
        state = _json(folder / "trainer_state.json")
        rates = [
            log["learning_rate"] for log in state.get("log_history", ()) if "learning_rate" in log
        ]
        known = {
            "num_train_epochs": state.get("num_train_epochs"),
            "per_device_train_batch_size": state.get("train_batch_size"),
            "learning_rate": max(rates, default=None),  # the highest that was logged
        }
        given = {name: value for name, value in known.items() if value is not None}
    if (folder / "README.md").is_file():
        for line in read_text(folder / "README.md").splitlines():
            found = re.fullmatch(r"- (\w+): (.+?)\s*", line)
            if found and found[1] in _CARD:
                name, kind = _CARD[found[1]]
                try:
                    given[name] = kind(found[2].removeprefix("SchedulerType.").lower())
                except ValueError:
                    continue
            elif found and found[1] == "mixed_precision_training" and "bf16" in found[2].lower():
                given["bf16"] = True
    return given, bool(given)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise cannot(
            f"{path} is no JSON: {error}", "take a folder that Trainer has saved"
        ) from None
    if not isinstance(found, dict):
        raise cannot(f"{path} is no object", "take a folder that Trainer has saved")
    return found
