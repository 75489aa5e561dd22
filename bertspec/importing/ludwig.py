"""A configuration of Ludwig with a pretrained text encoder: its features and its data.

Source of names and defaults: Ludwig 0.10, `ludwig.ai/latest/configuration`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bertspec.catalog.tasks import TASKS
from bertspec.core.yaml import load_plain
from bertspec.importing.columns import Columns, read_columns
from bertspec.importing.fields import columns_of, require_column, validated
from bertspec.importing.ludwig_training import translate_model, translate_training
from bertspec.importing.section import Section
from bertspec.importing.translation import PLACEHOLDERS, Translation, cannot, read_text

_OUTPUTS: Mapping[str, tuple[str, Sequence[str]]] = {
    "category": ("text-classification", ("accuracy", "f1_macro")),
    "binary": ("text-classification", ("accuracy", "f1")),
    "set": ("multi-label-classification", ("f1_micro",)),
    "number": ("text-regression", ("rmse", "mae", "pearson")),
}

_BETWEEN_WORDS = " "
"""What is between the items of a `set` in Ludwig's data."""

_REASONS: Mapping[str, str] = {
    "output.loss": "see `training.class_weights`, `label_smoothing` and `focal_gamma`",
    "combiner": "one text needs none",
}


def translate(arguments: Sequence[str]) -> Translation:
    """A spec of `CONFIG [DATA]`: Ludwig is given the file of data beside its configuration.

    Raises InputError: E242 for what is no such configuration, or has no counterpart; as sources do
    for a file of data that cannot be read.
    """
    if len(arguments) not in (1, 2):
        raise cannot("a configuration and a file of data", "`bertspec import ludwig CONFIG [DATA]`")
    config = _read(Path(arguments[0]))
    if (kind := config.text("model_type", "ecd")) != "ecd":
        raise cannot(f"a model of type `{kind}`", "bertspec has pretrained encoders alone")
    made = Translation(f"Translated from {arguments[0]} of Ludwig by `bertspec import`.")
    made.name(Path(arguments[0]).stem)
    text, output = _features(config, made)
    found = read_columns(Path(arguments[1])) if len(arguments) > 1 else None
    preprocessing = config.part("preprocessing")
    label = _task(output, found, made)
    _data(text, label, found, preprocessing.part("split"), made)
    translate_model(text, config.part("defaults").part("text"), made)
    made.spec["training"] |= {"seed": config.whole("random_seed", 42)}
    translate_training(config.part("trainer"), made)
    made.spec["export"] = [{"type": "onnx"}]
    config.drop("ludwig_version", "backend")
    for name in sorted([*config.rest(), *text.rest(), *output.rest()]):
        known = next((why for key, why in _REASONS.items() if f"{name}.".startswith(f"{key}.")), "")
        made.left.append(f"{name}: {known or 'no translation of it is known'}")
    return made


def _read(path: Path) -> Section:
    try:
        found = load_plain(read_text(path))
    except (yaml.YAMLError, TypeError) as error:  # TypeError: a list as a key
        raise cannot(f"{path} is no YAML: {error}", "put it right") from None
    if not isinstance(found, dict):
        raise cannot(f"{path} is no configuration of Ludwig", "it has input_features")
    return Section(found)


def _features(config: Section, made: Translation) -> tuple[Section, Section]:
    """The text that is read, and the output."""
    inputs, outputs = (config.take(f"{side}_features", []) for side in ("input", "output"))
    if not (isinstance(inputs, list) and isinstance(outputs, list)):
        raise cannot("input_features and output_features are no lists", "Ludwig has lists, too")
    read = [Section(feature, "input") for feature in inputs]
    kinds = [feature.text("type") for feature in read]
    texts = [feature for feature, kind in zip(read, kinds, strict=True) if kind == "text"]
    if len(texts) != 1 or len(outputs) != 1:
        raise cannot(
            "it has not one feature of text and one output",
            "a spec has one text, or a pair, and one task",
        )
    for feature in read:
        if feature is not texts[0]:
            made.left.append(f"input `{feature.text('name')}`: a model reads texts alone")
    return texts[0], Section(outputs[0], "output")


def _column(feature: Section) -> str:
    name = feature.text("name")
    column = feature.text("column", name)
    if not column:
        raise cannot(f"the {feature.place} feature has no name", "Ludwig needs one, too")
    return column


def _task(output: Section, found: Columns | None, made: Translation) -> str:
    """Write the task; gives the column of its label."""
    if (kind := output.text("type")) not in _OUTPUTS:
        raise cannot(f"an output of type `{kind}`", f"one of: {', '.join(_OUTPUTS)}")
    label = _column(output)
    task_type, metrics = _OUTPUTS[kind]
    task: dict[str, Any] = {"type": task_type}
    if found:
        require_column(found, label)
    if kind != "number":
        task["labels"] = _labels(kind, label, found, made)
    if task_type == "text-classification" and output.flag("calibration", default=False):
        task["calibration"] = "temperature"
    validated(TASKS[task_type], task)
    made.spec["task"] = task
    made.spec["evaluation"] = {"metrics": list(metrics)}
    return label


def _labels(kind: str, column: str, found: Columns | None, made: Translation) -> list[str]:
    if found is None:
        made.open.append("task.labels: they are in the data")
        return list(PLACEHOLDERS)
    if kind != "set":
        return list(found.values(column))
    words = {w for _, text in found.texts(column) for w in text.split(_BETWEEN_WORDS)}
    return sorted(words - {""})


def _data(
    text: Section, label: str, found: Columns | None, split: Section, made: Translation
) -> None:
    column = _column(text)
    if found:
        require_column(found, column)
    else:
        made.open.append("data.source: Ludwig is given the file beside its configuration")
    task = validated(TASKS[made.spec["task"]["type"]], made.spec["task"])
    columns = columns_of(task, {"text": column, "label": label})
    if task.column_kind("label") == "list":
        columns["label"] = {"column": label, "separator": _BETWEEN_WORDS}
    made.spec["data"] = {
        "source": {
            "type": found.kind if found else "csv",
            "files": {"train": str(found.path) if found else "data/train.csv"},
        },
        "columns": columns,
        "split": _split(split, label, made),
    }


def _split(split: Section, label: str, made: Translation) -> dict[str, Any]:
    kind, column = split.text("type", "random"), split.text("column")
    train, validation, test = split.numbers("probabilities", (0.7, 0.1, 0.2))
    if not train:
        raise cannot("split.probabilities leaves nothing for train", "the first one is its share")
    whole = train + validation + test
    found: dict[str, Any] = {"type": "hash", "validation": validation / whole, "test": test / whole}
    if kind == "fixed":
        made.open.append(
            f"data: Ludwig reads the split from column `{column or 'split'}` (0, 1, 2); "
            "make a file of each and `split: {type: given}`"
        )
        return found
    if kind == "datetime":
        made.open.append(f"data.split: by time, `{column}`; give `test_from`")
        return found
    made.left.append(
        f"split `{kind}`: rows are split by a digest of their content, with the same shares, "
        "so other rows are in them"
    )
    if kind == "hash" and column:
        found["group"] = column
    elif kind == "stratify" and column in ("", label) and "labels" in made.spec["task"]:
        found["stratify"] = "label"
    elif column:
        made.left.append(f"split.column `{column}`: shares are held for the label alone")
    return found
