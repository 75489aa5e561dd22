"""A config.cfg of spaCy 3 with a transformer (spacy-transformers or curated-transformers).

Source of names and defaults: spacy.io/usage/training, `spacy init config --gpu`.
"""

import configparser
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertspec.importing.translation import Translation, base_of, cannot, read_text

_TASKS: Mapping[str, tuple[str, Sequence[str]]] = {
    "textcat": ("text-classification", ("accuracy", "f1_macro")),
    "textcat_multilabel": ("multi-label-classification", ("f1_micro",)),
    "ner": ("token-classification", ("f1", "precision", "recall")),
}
"""Component -> task and metrics."""

Sections = Mapping[str, Mapping[str, Any]]


def translate(arguments: Sequence[str]) -> Translation:
    """Raises InputError (E242) for what is no such file, or has no counterpart."""
    if len(arguments) != 1:
        raise cannot("one file is translated", "`bertspec import spacy config.cfg`")
    path = Path(arguments[0])
    config = _sections(path)
    pipeline = config.get("nlp", {}).get("pipeline") or []
    made = Translation(f"{path} of spaCy")
    made.name(path.resolve().parent.name if path.stem == "config" else path.stem)
    tasks = [name for name in pipeline if _factory(config, name) in _TASKS]
    if len(tasks) != 1:
        raise cannot(
            f"of the components {', '.join(pipeline) or '(none)'} not one is a task of bertspec",
            f"one of: {', '.join(_TASKS)}; a spec has one task",
        )
    component = tasks[0]
    for name in pipeline:
        if name != component and "transformer" not in _factory(config, name):
            made.left.append(f"component `{name}`: bertspec has one model for one task")
    _task(component, config, made)
    _model(pipeline, config, made)
    _training(config, made)
    made.spec["export"] = [{"type": "onnx"}]
    return made


def _sections(path: Path) -> Sections:
    parser = configparser.ConfigParser(
        interpolation=None, default_section="none", delimiters=("=",)
    )
    parser.optionxform = str  # type: ignore[assignment, method-assign] # keys keep their case
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        raise cannot(f"{path} is no config.cfg: {error.message}", "put it right") from None
    found = {name: {k: _value(v) for k, v in parser[name].items()} for name in parser.sections()}
    return {name: {k: _filled(v, found) for k, v in s.items()} for name, s in found.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _filled(value: Any, sections: Sections) -> Any:
    """What `${section.key}` stands for."""
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        section, _, key = value[2:-1].replace(":", ".").rpartition(".")
        return sections.get(section, {}).get(key, value)
    return value


def _factory(config: Sections, name: str) -> str:
    return str(config.get(f"components.{name}", {}).get("factory", name))


def _task(component: str, config: Sections, made: Translation) -> None:
    kind, metrics = _TASKS[_factory(config, component)]
    labels = config.get(f"initialize.components.{component}", {}).get("labels")
    task: dict[str, Any] = {"type": kind, "labels": labels or ["first", "second"]}
    if not labels:
        made.open.append("task.labels: spaCy reads them from the data")
    paths = config.get("paths", {})
    made.open.append(
        f"data.source: {paths.get('train') or 'the corpus'} is spaCy's own format; write its "
        "documents as JSON lines, such as "
        + ('{"text": ..., "spans": [...]}' if component == "ner" else '{"text": ..., "label": ...}')
    )
    is_entities = kind == "token-classification"
    made.spec["task"] = task | ({"misaligned": "widen"} if is_entities else {})
    made.spec["data"] = {
        "source": {
            "type": "jsonl",
            "files": {"train": "data/train.jsonl", "test": "data/dev.jsonl"},
        },
        "columns": {"text": "text", **({"spans": "spans"} if is_entities else {"label": "label"})},
        "split": {"type": "given", "validation": 0.1},
    }
    made.spec["evaluation"] = {"metrics": list(metrics)}


def _model(pipeline: Sequence[str], config: Sections, made: Translation) -> None:
    names = [name for name in pipeline if "transformer" in _factory(config, name)]
    model = config.get(f"components.{names[0]}.model", {}) if names else {}
    name = model.get("name") or config.get(
        "initialize.components.transformer.encoder_loader", {}
    ).get("name")
    if not name:
        raise cannot("no component is a pretrained transformer", "bertspec has no other models")
    made.spec["model"] = {"base": base_of(str(name))}
    spans = config.get(f"components.{names[0]}.model.get_spans", {})
    if "strided" in str(spans.get("@span_getters")):
        window, stride = spans.get("window", 128), spans.get("stride", 96)
        made.spec["tokenization"] = {
            "max_length": window,
            "long_documents": {"type": "windows", "stride": max(0, window - stride)},
        }
        made.left.append(f"windows of {window}: of tokens of the model, where spaCy counts its own")
    else:
        made.spec["tokenization"] = {"max_length": 256}


def _training(config: Sections, made: Translation) -> None:
    training = config.get("training", {})
    optimizer, rate = (
        config.get("training.optimizer", {}),
        config.get("training.optimizer.learn_rate", {}),
    )
    schedule: dict[str, Any] = {"type": "constant", "warmup_ratio": 0.0}
    if "warmup_linear" in str(rate.get("@schedules")):
        schedule = {"type": "linear", "warmup_steps": rate.get("warmup_steps", 250)}
    steps, every = training.get("max_steps", 20_000), training.get("eval_frequency", 200)
    accumulate = training.get("accumulate_gradient", 1)
    made.spec["training"] = {
        "seed": training.get("seed", 0) or 0,
        "epochs": training.get("max_epochs") or 1000,
        **({"max_steps": steps} if steps else {}),
        "validate_every": every,
        "learning_rate": rate.get("initial_rate") or optimizer.get("learn_rate") or 5e-5,
        "batch": {"examples": 32},
        "optimizer": {
            "beta1": optimizer.get("beta1", 0.9),
            "beta2": optimizer.get("beta2", 0.999),
            "epsilon": optimizer.get("eps", 1e-8),
            "weight_decay": optimizer.get("L2", 0.01),
        },
        "schedule": schedule,
        "max_grad_norm": optimizer.get("grad_clip", 1.0) or None,
    }
    if patience := training.get("patience", 1600):
        made.spec["training"]["early_stopping"] = {"patience": max(1, patience // every)}
    size = config.get("training.batcher", {}).get("size")
    made.open.append(
        f"training.batch.examples: spaCy has {size or 'a number of'} tokens (padded) in a batch, "
        f"and takes a step every {accumulate} batches"
    )
    made.spec["model"]["head"] = {"dropout": training.get("dropout", 0.1)}
    made.left.append("dropout: spaCy's is that of its own layers; here the head has it")
