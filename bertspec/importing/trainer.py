"""A folder that transformers' Trainer has saved: its config.json, trainer_state.json and README.md.

Its training_args.bin is a pickle, which is never loaded; the model card that Trainer writes has
what matters of it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertspec.catalog.tasks import TASKS
from bertspec.importing.fields import choose_fields, columns_of, validated
from bertspec.importing.model_card import read_card
from bertspec.importing.section import Section
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

_PLACEHOLDER = "google-bert/bert-base-uncased"

_TAG = re.compile(r"[BIESLU]-(.+)")


def translate(arguments: Sequence[str]) -> Translation:
    """Raises InputError (E242) for what is no such folder, or a model of another task."""
    if len(arguments) != 1:
        raise cannot("one folder is translated", "`bertspec import trainer FOLDER`")
    folder = Path(arguments[0])
    config = _json(folder / "config.json")
    made = Translation(f"Translated from {folder} of transformers' Trainer by `bertspec import`.")
    made.name(folder.resolve().name)
    _task(config, made)
    card = folder / "README.md"
    told = read_card(read_text(card)) if card.is_file() else None
    base = config.get("_name_or_path") or (told and told.base)
    if not isinstance(base, str) or not base:
        made.open.append(
            "model.base: neither config.json nor README.md say which model it was; this one is "
            "only an example"
        )
        base = _PLACEHOLDER
    made.spec["model"] = {"base": base_of(base)}
    made.open.append("data: its source and columns, and `tokenization.max_length`")
    task = validated(TASKS[made.spec["task"]["type"]], made.spec["task"])
    made.spec["data"] = {
        "source": {"type": "jsonl", "files": {"train": "data/train.jsonl"}},
        "columns": columns_of(task, choose_fields(type(task), None, {})),
        "split": {"type": "hash"},
    }
    made.spec["tokenization"] = {"max_length": 128}
    made.left.append(
        "training_args.bin: it is a pickle, and never loaded; what README.md and "
        "trainer_state.json do not tell is as transformers has it by default, such as weight decay"
    )
    state = folder / "trainer_state.json"
    given = _state(Section(_json(state), state.name)) if state.is_file() else {}
    if told and told.arguments:
        if told.devices > 1:
            made.left.append(
                f"num_devices {told.devices}: `training.batch.examples` has those of all of them"
            )
        ends = {"max_steps", "num_train_epochs"}
        given = {name: value for name, value in given.items() if name not in ends}
        given |= told.arguments
    if not given:
        made.open.append("training: neither README.md nor trainer_state.json tell its arguments")
    translate_training(given, made)
    made.spec["export"] = [{"type": "onnx"}]
    return made


def _task(config: Mapping[str, Any], made: Translation) -> None:
    names = config.get("architectures") or ["none"]
    name = str(names[0] if isinstance(names, list) else names)
    kind = next((t for end, t in _TASKS.items() if name.endswith(f"For{end}")), None)
    if kind is None:
        raise cannot(f"{name} is a model of no task of bertspec", f"those of {', '.join(_TASKS)}")
    labels = _labels(config)
    if kind == "text-classification":
        kinds = {
            "regression": "text-regression",
            "multi_label_classification": "multi-label-classification",
        }
        alone = "text-regression" if len(labels) == 1 else kind  # as transformers has it
        kind = kinds.get(str(config.get("problem_type")), alone)
    task: dict[str, Any] = {"type": kind}
    if kind == "token-classification":
        tags = [_TAG.fullmatch(label) for label in labels]
        types = dict.fromkeys(tag[1] for tag in tags if tag)
        task["labels"] = list(types) or [label for label in labels if label != "O"]
    elif kind == "text-regression" and len(labels) > 1:
        task["targets"] = labels
    elif kind in ("text-classification", "multi-label-classification"):
        task["labels"] = labels
    if {"labels", "targets"} & task.keys() and all(label.startswith("LABEL_") for label in labels):
        made.open.append("task: config.json has but numbers of its labels")
    made.spec["task"] = task
    made.spec["evaluation"] = {"metrics": list(_METRICS[kind])}


def _labels(config: Mapping[str, Any]) -> list[str]:
    """In the order of their numbers."""
    given = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    try:
        numbered = sorted((int(number), label) for number, label in given.items())
    except (AttributeError, TypeError, ValueError):
        raise cannot(
            "id2label of config.json is no object of numbers and names", "put it right"
        ) from None
    return [str(label) for _, label in numbered]


def _state(state: Section) -> dict[str, Any]:
    """Arguments of the training that trainer_state.json tells."""
    history = state.take("log_history")
    logs = [log for log in history if isinstance(log, dict)] if isinstance(history, list) else []
    rates = [log["learning_rate"] for log in logs if _is_number(log.get("learning_rate"))]
    epochs, steps = state.take("num_train_epochs"), state.take("max_steps")
    done, ended = state.take("global_step"), state.take("epoch")
    found = {
        "num_train_epochs": epochs,
        "per_device_train_batch_size": state.take("train_batch_size"),
        "learning_rate": max(rates, default=None),  # the highest that was logged
    }
    are_told = all(map(_is_number, (epochs, steps, done, ended))) and done > 0
    # Steps are always there. Those that end within an epoch were asked for.
    if are_told and abs(steps * ended / done - epochs) > _NEARLY:
        found["max_steps"] = steps
    return {name: value for name, value in found.items() if value is not None}


_NEARLY = 0.01
"""By how much the epochs of all steps may differ from a whole number, as they are rounded."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
