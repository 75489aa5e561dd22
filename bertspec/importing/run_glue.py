"""Arguments of transformers' `examples/pytorch/text-classification/run_glue.py`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertspec.catalog.tasks import TASKS
from bertspec.importing.columns import Columns, read_columns
from bertspec.importing.fields import columns_of, require_column, validated
from bertspec.importing.training_arguments import DEFAULTS, translate_training, typed
from bertspec.importing.translation import PLACEHOLDERS, Translation, base_of, cannot, read_text

GLUE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "cola": (("sentence",), ("unacceptable", "acceptable"), ("matthews",)),
    "mnli": (("premise", "hypothesis"), ("entailment", "neutral", "contradiction"), ("accuracy",)),
    "mrpc": (("sentence1", "sentence2"), ("not_equivalent", "equivalent"), ("accuracy", "f1")),
    "qnli": (("question", "sentence"), ("entailment", "not_entailment"), ("accuracy",)),
    "qqp": (("question1", "question2"), ("not_duplicate", "duplicate"), ("accuracy", "f1")),
    "rte": (("sentence1", "sentence2"), ("entailment", "not_entailment"), ("accuracy",)),
    "sst2": (("sentence",), ("negative", "positive"), ("accuracy",)),
    "stsb": (("sentence1", "sentence2"), (), ("pearson", "spearman")),
    "wnli": (("sentence1", "sentence2"), ("not_entailment", "entailment"), ("accuracy",)),
}
"""Task of GLUE (Wang et al., 2019) -> columns, labels in the order of their numbers, metrics."""

_OWN_DEFAULTS: Mapping[str, Any] = {
    "model_name_or_path": "", "model_revision": "main", "task_name": "", "dataset_name": "",
    "dataset_config_name": "", "max_seq_length": 128, "train_file": "", "validation_file": "",
    "test_file": "",
}  # fmt: skip

_NEEDLESS = (
    "cache_dir", "use_fast_tokenizer", "overwrite_cache", "pad_to_max_length",
    "preprocessing_num_workers", "ignore_mismatched_sizes",
)  # fmt: skip
"""They change no result here: texts are not padded, and the head is always a new one."""

_REASONS = {
    "config_name": "the base has its own config",
    "tokenizer_name": "the base has its own tokenizer",
    "token": "it is taken from HF_TOKEN",
    "use_auth_token": "it is taken from HF_TOKEN",
    "max_train_samples": "`data.where`, or a smaller file, takes a part of the rows",
    "max_eval_samples": "every row of a split is measured",
    "max_predict_samples": "every row of a split is measured",
}


def translate(arguments: Sequence[str]) -> Translation:
    """A spec of the arguments, or of the JSON file that they name.

    Raises InputError (E242) for what run_glue.py would not take, or a task with no counterpart.
    """
    given = _given(arguments)
    made = Translation("Translated from arguments of run_glue.py by `bertspec import`.")
    own = {n: typed(n, given.pop(n, default), default) for n, default in _OWN_DEFAULTS.items()}
    if not own["model_name_or_path"]:
        raise cannot("there is no --model_name_or_path", "run_glue.py needs one, too")
    for name in _NEEDLESS:
        given.pop(name, None)
    for name, why in _REASONS.items():
        if given.pop(name, None) not in (None, False, ""):
            made.left.append(f"{name}: {why}")
    out = typed("output_dir", given.pop("output_dir", ""), "")
    made.name(own["task_name"] or Path(out).name or "run-glue")
    if own["task_name"]:
        _glue(own["task_name"].lower(), made)
    elif own["train_file"]:
        _files(own, made)
    else:
        _hub(own, made)
    made.spec["tokenization"] = {"max_length": own["max_seq_length"]}
    made.spec["model"] = {"base": base_of(own["model_name_or_path"], own["model_revision"])}
    translate_training(given, made)
    made.spec["export"] = [{"type": "onnx"}]
    # A JSON file of them often has all that there are, most of them switched off.
    rest = sorted(name for name, value in given.items() if value)
    made.left += [f"{name}: bertspec does not know it" for name in rest]
    return made


def _given(arguments: Sequence[str]) -> dict[str, Any]:
    if len(arguments) == 1 and arguments[0].endswith(".json"):
        path = Path(arguments[0])
        try:
            values = json.loads(read_text(path))
        except ValueError as error:
            raise cannot(f"{path} is no JSON: {error}", "give the arguments themselves") from None
        if not isinstance(values, dict):
            raise cannot(f"{path} has no arguments", "they are an object, name by name")
        return values
    words = [w for a in arguments for w in (a.split("=", 1) if a.startswith("--") else [a])]
    found: dict[str, Any] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word.removeprefix("--").replace("-", "_")
            found[name] = True  # a flag, unless a value follows
        elif not name:
            raise cannot(f"`{word}` stands before any argument", "arguments begin with `--`")
        elif name in found and found[name] is not True:
            found[name] = f"{found[name]} {word}"
        else:
            found[name] = word
    off = ("false", "no", "0")  # of flags that nobody here knows, too
    return {
        name: False if name not in DEFAULTS and str(value).lower() in off else value
        for name, value in found.items()
    }


def _glue(task: str, made: Translation) -> None:
    if task not in GLUE:
        raise cannot(f"`{task}` is no task of GLUE", f"one of: {', '.join(GLUE)}")
    texts, labels, metrics = GLUE[task]
    matched = "_matched" if task == "mnli" else ""
    _task(labels, metrics, made)
    made.spec["data"] = {
        "source": {
            "type": "hub", "id": "nyu-mll/glue", "revision": "main", "config": task,
            # The labels of GLUE's test split are nobody's: run_glue.py measures on validation.
            "splits": {"train": "train", "test": f"validation{matched}"},
        },
        "columns": _columns(texts, made),
        "split": {"type": "given"},
    }  # fmt: skip
    if matched:
        made.left.append("validation_mismatched: a spec has one test split")


def _files(own: Mapping[str, Any], made: Translation) -> None:
    files = {s: own[f"{s}_file"] for s in ("train", "validation", "test") if own[f"{s}_file"]}
    if "test" not in files and "validation" in files:
        files["test"] = files.pop("validation")
    found = read_columns(Path(own["train_file"]))
    require_column(found, "label")  # run_glue.py reads that one
    texts = _texts(found)
    labels = () if found.are_decimal("label") else found.values("label")
    _task(labels, ("accuracy",) if labels else ("pearson", "spearman"), made)
    split = {"type": "given"} if "test" in files else {"type": "hash"}
    made.spec["data"] = {
        "source": {"type": found.kind, "files": files},
        "columns": _columns(texts, made),
        "split": split,
    }
    if "test" not in files:
        made.left.append("there is no file to measure on: the split takes a part of the rows")


def _texts(found: Columns) -> tuple[str, ...]:
    """As run_glue.py guesses them."""
    if {"sentence1", "sentence2"} <= set(found.names):
        return "sentence1", "sentence2"
    others = tuple(name for name in found.names if name != "label")
    if not others:
        raise cannot("there is no column of texts", "one beside `label` is needed")
    return others[:2]


def _hub(own: Mapping[str, Any], made: Translation) -> None:
    if not own["dataset_name"]:
        raise cannot(
            "there is no data", "run_glue.py takes --task_name, --dataset_name or --train_file"
        )
    config = own["dataset_config_name"]
    _task(PLACEHOLDERS, ("accuracy",), made)
    made.spec["data"] = {
        "source": {
            "type": "hub", "id": own["dataset_name"], "revision": "main",
            **({"config": config} if config else {}),
            "splits": {"train": "train", "test": "validation"},
        },
        "columns": _columns(("text",), made),
        "split": {"type": "given"},
    }  # fmt: skip
    made.open.append("task.labels, data.columns and the names of the splits: the hub has them")


def _task(labels: Sequence[str], metrics: Sequence[str], made: Translation) -> None:
    if labels:
        made.spec["task"] = {"type": "text-classification", "labels": list(labels)}
    else:
        made.spec["task"] = {"type": "text-regression"}
    made.spec["evaluation"] = {"metrics": list(metrics)}


def _columns(texts: Sequence[str], made: Translation) -> dict[str, Any]:
    task = validated(TASKS[made.spec["task"]["type"]], made.spec["task"])
    fields = dict(zip(("text", "text_pair"), texts, strict=False))
    return columns_of(task, fields | {"label": "label"})
