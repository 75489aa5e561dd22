"""The README.md that transformers' Trainer writes: the base, and the arguments of the training.

Source of its lines: `transformers/modelcard.py`, `extract_hyperparameters_from_trainer`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bertspec.core.yaml import load_plain

_ARGUMENTS: Mapping[str, str] = {
    "learning_rate": "learning_rate",
    "train_batch_size": "per_device_train_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "seed": "seed",
    "lr_scheduler_type": "lr_scheduler_type",
    "lr_scheduler_warmup_ratio": "warmup_ratio",
    "lr_scheduler_warmup_steps": "warmup_steps",
    "num_epochs": "num_train_epochs",
    "training_steps": "max_steps",
    "label_smoothing_factor": "label_smoothing_factor",
}
"""Line -> argument."""

_LINE = re.compile(r"- (\w+): (.+?)\s*")
_ADAM = re.compile(
    r"(?:Use )?([\w.]+) with betas=\(([^,]+),\s*([^)]+)\) and epsilon=(\S+)"
    r"(?: and optimizer_args=(.+))?"
)
_NO_MORE = "No additional optimizer arguments"


@dataclass(frozen=True)
class Card:
    """What a model card tells."""

    base: str | None
    """The pretrained model; None where it does not say so, as for one of a folder."""
    arguments: Mapping[str, Any]
    """Arguments of TrainingArguments, as text."""
    devices: int
    """How many had a batch each. `per_device_train_batch_size` has those of all of them."""


def read_card(text: str) -> Card:
    """What is not as Trainer writes it is passed over."""
    front, body = _parts(text)
    found = [match for match in map(_LINE.fullmatch, body) if match]
    lines = {match[1]: match[2] for match in found}
    given: dict[str, Any] = {
        name: lines[line] for line, name in _ARGUMENTS.items() if line in lines
    }
    if kind := given.get("lr_scheduler_type"):
        given["lr_scheduler_type"] = _name(kind)
    devices = _whole(lines.get("num_devices"))
    if total := _whole(lines.get("total_train_batch_size")):
        accumulated = _whole(lines.get("gradient_accumulation_steps")) or 1
        given["per_device_train_batch_size"] = total // accumulated
    if optimizer := lines.get("optimizer"):
        given |= _optimizer(optimizer)
    if "mixed_precision_training" in lines:  # it says "Native AMP" of fp16 alone
        given["fp16"] = True
    return Card(_base(front), given, devices or 1)


def _parts(text: str) -> tuple[str, Iterable[str]]:
    """The YAML between the first two lines of `---`, and the lines behind it."""
    lines = text.splitlines()
    if lines[:1] != ["---"] or "---" not in lines[1:]:
        return "", lines
    end = lines.index("---", 1)
    return "\n".join(lines[1:end]), lines[end + 1 :]


def _base(front: str) -> str | None:
    try:
        found = load_plain(front)
    except yaml.YAMLError:
        return None
    base = found.get("base_model") if isinstance(found, dict) else None
    if isinstance(base, list):
        base = base[0] if len(base) == 1 else None
    return base if isinstance(base, str) else None


def _optimizer(text: str) -> dict[str, Any]:
    if not (found := _ADAM.fullmatch(text)):
        return {"optim": _name(text.removeprefix("Use ").partition(" ")[0])}
    name, first, second, epsilon, more = found.groups()
    given = {"adam_beta1": first, "adam_beta2": second, "adam_epsilon": epsilon}
    others = {} if more in (None, _NO_MORE) else {"optim_args": more}
    return {"optim": _name(name), **given, **others}


def _name(text: str) -> str:
    """The value of an enum, as transformers' own print with their class."""
    return text.rpartition(".")[2].lower()


def _whole(text: str | None) -> int:
    """0 for what is no number."""
    return int(text) if text and text.isascii() and text.isdigit() else 0
