"""A config.cfg of spaCy 3 with a transformer (spacy-transformers or curated-transformers).

Source of names and defaults: spacy.io/usage/training, `spacy init config --gpu`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertspec.catalog.tasks import TASKS
from bertspec.importing.fields import choose_fields, columns_of, validated
from bertspec.importing.section import Section
from bertspec.importing.spacy_config import read_config
from bertspec.importing.translation import PLACEHOLDERS, Translation, base_of, cannot

_TASKS: Mapping[str, tuple[str, Sequence[str]]] = {
    "textcat": ("text-classification", ("accuracy", "f1_macro")),
    "textcat_multilabel": ("multi-label-classification", ("f1_micro",)),
    "ner": ("token-classification", ("f1", "precision", "recall")),
}
"""Factory of a component -> task and metrics."""

_ROWS: Mapping[str, str] = {
    "text-classification": '{"text": ..., "label": ...}',
    "multi-label-classification": '{"text": ..., "label": [...]}',
    "token-classification": '{"text": ..., "spans": [...]}',
}

_BOUND = 1000
"""Epochs that are only a bound, where steps end the training."""

_REASONS: Mapping[str, str] = {
    "training.optimizer.use_averages": "`training.ema` keeps averaged weights",
    "training.score_weights": "`training.metric_for_best_model` chooses the model",
}


def translate(arguments: Sequence[str]) -> Translation:
    """Raises InputError (E242) for what is no such file, or has no counterpart."""
    if len(arguments) != 1:
        raise cannot("one file is translated", "`bertspec import spacy config.cfg`")
    path = Path(arguments[0])
    config = read_config(path)
    made = Translation(f"Translated from {path} of spaCy by `bertspec import`.")
    made.name(path.resolve().parent.name if path.stem == "config" else path.stem)
    factories = _factories(config)
    tasks = [name for name, factory in factories.items() if factory in _TASKS]
    if len(tasks) != 1:
        raise cannot(
            f"of the components {', '.join(factories) or '(none)'} not one is a task of bertspec",
            f"one of: {', '.join(_TASKS)}; a spec has one task",
        )
    encoder = next((name for name, factory in factories.items() if "transformer" in factory), None)
    if encoder is None:
        raise cannot("no component is a pretrained transformer", "bertspec has no other models")
    for name in factories:
        if name not in (tasks[0], encoder):
            config.part("components").drop(name)
            made.left.append(f"component `{name}`: bertspec has one model for one task")
    _task(tasks[0], factories[tasks[0]], config, made)
    _model(encoder, config, made)
    _training(config, made)
    made.spec["export"] = [{"type": "onnx"}]
    _drop_what_needs_no_word(config)
    for name in config.rest():
        made.left.append(f"{name}: {_REASONS.get(name, 'no translation of it is known')}")
    return made


def _drop_what_needs_no_word(config: Section) -> None:
    """What changes nothing, and switches that are off as spaCy writes them out."""
    config.part("nlp").drop("lang", "batch_size")
    config.part("system").drop("gpu_allocator", "seed")
    training = config.part("training")
    training.drop("gpu_allocator", "dev_corpus", "train_corpus", "logger")
    training.part("optimizer").says("L2_is_weight_decay", value=True)
    training.part("optimizer").says("use_averages", value=False)
    for corpus in [*config.part("corpora")]:
        reader = config.part("corpora").part(corpus)
        reader.drop("@readers", "path")
        for key in ("max_length", "limit", "gold_preproc"):
            reader.says(key, value=False)


def _factories(config: Section) -> dict[str, str]:
    """Component -> what makes it, in the order of the pipeline."""
    pipeline = config.part("nlp").take("pipeline", [])
    if not isinstance(pipeline, list) or not all(isinstance(name, str) for name in pipeline):
        raise cannot("nlp.pipeline is no list of names", 'write it as JSON: ["transformer","ner"]')
    components = config.part("components")
    return {name: components.part(name).text("factory", name) for name in pipeline}


def _task(component: str, factory: str, config: Section, made: Translation) -> None:
    kind, metrics = _TASKS[factory]
    initialize = config.part("initialize").part("components").part(component)
    # A section in their place says which file has them.
    labels = initialize.take("labels") if isinstance(initialize.peek("labels"), list) else None
    if not labels:
        made.open.append("task.labels: spaCy reads them from the data")
    task: dict[str, Any] = {"type": kind, "labels": labels or list(PLACEHOLDERS)}
    is_entities = kind == "token-classification"
    task |= {"misaligned": "widen"} if is_entities else {}
    model = validated(TASKS[kind], task)
    paths = config.part("paths")
    made.open.append(
        f"data.source: {paths.text('train', 'the corpus')} is spaCy's own format; write its "
        f"documents as JSON lines, such as {_ROWS[kind]}"
    )
    made.left.append(
        f"{paths.text('dev', 'the corpus dev')}: it is the test here, and a tenth of train is for "
        "validation, as a model is not chosen by its test"
    )
    fields = {"text": "text", "spans": "spans"} if is_entities else {}
    made.spec["task"] = task
    made.spec["data"] = {
        "source": {
            "type": "jsonl",
            "files": {"train": "data/train.jsonl", "test": "data/dev.jsonl"},
        },
        "columns": columns_of(model, choose_fields(type(model), None, fields)),
        "split": {"type": "given", "validation": 0.1},
    }
    made.spec["evaluation"] = {"metrics": list(metrics)}


def _model(encoder: str, config: Section, made: Translation) -> None:
    model = config.part("components").part(encoder).part("model")
    loader = config.part("initialize").part("components").part(encoder).part("encoder_loader")
    name = model.text("name") or loader.text("name")
    if not name:
        raise cannot(f"component `{encoder}` names no pretrained model", "its `name` says which")
    made.spec["model"] = {"base": base_of(name)}
    spans = model.part("get_spans") if model.peek("get_spans") else model.part("with_spans")
    if "strided" in spans.text("@span_getters", spans.text("@architectures")):
        window = spans.whole("window", 128, 1)
        stride = spans.whole("stride", 96, 1)
        made.spec["tokenization"] = {
            "max_length": window,
            "long_documents": {"type": "windows", "stride": max(0, window - stride)},
        }
        made.left.append(f"windows of {window}: of tokens of the model, where spaCy counts its own")
    else:
        made.spec["tokenization"] = {"max_length": 256}
    model.drop("@architectures")
    loader.drop("@model_loaders")


def _training(config: Section, made: Translation) -> None:
    training = config.part("training")
    optimizer = training.part("optimizer")
    optimizer.drop("@optimizers")
    steps = training.whole("max_steps", 20_000, -1)
    every = training.whole("eval_frequency", 200, 1)
    epochs = training.whole("max_epochs", 0, -1)  # 0 and -1: without an end
    schedule, rate = _schedule(optimizer, steps, made)
    made.spec["training"] = {
        "seed": training.whole("seed", 0),
        "epochs": epochs if epochs > 0 else _BOUND,
        **({"max_steps": steps} if steps > 0 else {}),
        "validate_every": every,
        "learning_rate": rate,
        "batch": {"examples": 32},
        "optimizer": {
            "beta1": optimizer.number("beta1", 0.9),
            "beta2": optimizer.number("beta2", 0.999),
            "epsilon": optimizer.number("eps", 1e-8),
            "weight_decay": optimizer.number("L2", 0.01),
        },
        "schedule": schedule,
        "max_grad_norm": optimizer.number("grad_clip", 1.0) or None,
    }
    if patience := training.whole("patience", 1600):
        made.spec["training"]["early_stopping"] = {"patience": max(1, patience // every)}
    batcher = training.part("batcher")
    batcher.drop("@batchers")
    # A section in its place has the batches grow.
    size = "growing" if isinstance(batcher.peek("size"), Mapping) else batcher.whole("size", 2000)
    accumulate = training.whole("accumulate_gradient", 1, 1)
    made.open.append(
        f"training.batch.examples: spaCy has {size} tokens in a batch, "
        f"and takes a step every {accumulate} batches"
    )
    made.spec["model"]["head"] = {"dropout": training.number("dropout", 0.1)}
    made.left.append("dropout: spaCy's is that of its own layers; here the head has it")


def _schedule(optimizer: Section, steps: int, made: Translation) -> tuple[dict[str, Any], float]:
    """The schedule, and the peak of the rate."""
    constant = {"type": "constant", "warmup_ratio": 0.0}
    if not isinstance(optimizer.peek("learn_rate"), Mapping):
        return constant, optimizer.number("learn_rate", 5e-5)
    rate = optimizer.part("learn_rate")
    kind = rate.text("@schedules")
    peak = rate.number("initial_rate", 5e-5)
    if not kind.startswith("warmup_linear"):
        made.left.append(f"learn_rate {kind}: the rate stays as it is")
        return constant, peak
    total = rate.whole("total_steps", steps)
    if total != steps:
        made.left.append(f"learn_rate.total_steps {total}: the rate falls to the last step")
    return {"type": "linear", "warmup_steps": rate.whole("warmup_steps", 250)}, peak
