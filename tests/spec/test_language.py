"""The language: what pydantic takes and JSON Schema takes; defaults; extends; data sets."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from bertspec.core.errors import InputError
from bertspec.spec.load import load, load_spec
from bertspec.spec.reference import fields_of
from bertspec.spec.schema import schema_text
from bertspec.spec.sections import DataSetFile, Spec
from tests.projects import SPEC

SHA = "0123456789abcdef0123456789abcdef01234567"
SCHEMA = json.loads(schema_text("spec"))


def _changed(path: str, value: object) -> dict[str, Any]:
    """SPEC with the value at a dotted path changed, or removed when it is `...`."""
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    *parents, last = path.split(".")
    target: Any = spec
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return spec


GOOD = [
    ("description", "some words"), ("data", "reviews"), ("training.class_weights", "balanced"),
    ("training.class_weights", {"bad": 1, "good": 2.5}), ("training.epochs", 1),
    ("training.max_grad_norm", None), ("training.schedule", {"type": "cosine"}),
    ("training.early_stopping", {"patience": 3}), ("evaluation.require", {"accuracy": ">= 0.8"}),
    ("data.source", {"type": "hub", "id": "a/b", "revision": SHA}),
    ("data.split", {"type": "given", "validation": 0.1}), ("export", []),
    ("model.base", {"type": "hub", "id": "google-bert/bert-base-uncased", "revision": SHA}),
    ("model.base", {"type": "package", "package": "a_b.c"}), ("model.head", {"dropout": 0}),
]  # fmt: skip
BAD = [
    ("bertspec", 2), ("bertspec", ...), ("name", "Big Name"), ("name", ...), ("task", ...),
    ("task.labels", ["one"]), ("task.labels", [1, 2]), ("task.type", "text-clasification"),
    ("unknown", 1), ("training.learnin_rate", 1), ("training.epochs", 0), ("training.epochs", "3"),
    ("training.epochs", 1.5), ("training.epochs", True), ("training.precision", "fp16"),
    ("training.class_weights", "ballanced"), ("training.class_weights", {"bad": 0}),
    ("training.schedule", {"type": "cosin"}), ("training.schedule", {}),
    ("data.source", {"type": "hub", "id": "a/b", "revision": "main"}),
    ("data.split.test", 1.5), ("data.split.test", -0.1), ("evaluation.metrics", []),
    ("evaluation.require", {"accuracy": "0.8"}), ("export", {"type": "onnx"}),
    ("export", [{"type": "onnx", "opset": 3}]), ("tokenization.max_length", None), ("data", 3),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), GOOD)
def test_a_good_spec_is_good_for_pydantic_and_for_json_schema(path: str, value: object) -> None:
    spec = _changed(path, value)
    Spec.model_validate(spec)
    jsonschema.Draft202012Validator(SCHEMA).validate(spec)


@pytest.mark.parametrize(("path", "value"), BAD)
def test_a_bad_spec_is_bad_for_pydantic_and_for_json_schema(path: str, value: object) -> None:
    spec = _changed(path, value)
    with pytest.raises(ValidationError):
        Spec.model_validate(spec)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(spec)


def test_the_schema_is_a_valid_one_and_leaves_what_extends_may_bring() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    child = {"bertspec": 1, "name": "b", "extends": "./a.yaml"}
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(child)


def test_every_field_has_a_description() -> None:
    for model in (Spec, DataSetFile):
        assert [f.path for f in fields_of(model) if not f.description] == []


def test_an_enumeration_of_the_language_is_one_in_the_schema() -> None:
    training = SCHEMA["$defs"]["Training"]["properties"]
    assert training["precision"]["enum"] == ["fp32", "bf16"]
    mapping = SCHEMA["$defs"]["DataSet"]["properties"]["source"]["discriminator"]["mapping"]
    assert set(mapping) == {"csv", "tsv", "jsonl", "hub"}


def _write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


BASE = """\
bertspec: 1
name: parent
task: {type: text-classification, labels: [a, b]}
data:
  source: {type: csv, files: {train: data/x.csv}}
  columns: {text: t, label: l}
  split: {type: hash}
model: {base: {type: hub, id: x/y, revision: SHA}}
training: {epochs: 2, learning_rate: 1e-5}
evaluation: {metrics: [accuracy]}
""".replace("SHA", SHA)


def test_extends_merges_mappings_and_keeps_positions_of_the_file_that_said_it(
    tmp_path: Path,
) -> None:
    _write(tmp_path, "specs/parent.yaml", BASE)
    child = "bertspec: 1\nname: child\nextends: ./parent.yaml\ntraining:\n  epochs: 5\n"
    loaded = load_spec(_write(tmp_path, "specs/child.yaml", child), tmp_path)
    assert loaded.spec.training.epochs == 5
    assert loaded.spec.training.learning_rate == 1e-5
    assert loaded.dataset_name == "parent", "the child shares the data set that the parent wrote"
    assert str(loaded.document.position(("training", "epochs"))) == "specs/child.yaml:5:11"
    where = loaded.document.position(("training", "learning_rate"))
    assert str(where) == "specs/parent.yaml:9:38"


def test_another_type_replaces_the_options_of_the_one_extended(tmp_path: Path) -> None:
    _write(tmp_path, "parent.yaml", BASE)
    child = "bertspec: 1\nname: c\nextends: parent.yaml\nmodel: {base: {type: local, path: m}}\n"
    loaded = load_spec(_write(tmp_path, "c.yaml", child), tmp_path)
    assert loaded.spec.model.base.type == "local"


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("bertspec: 1\nname: a\nextends: b.yaml\n", "E008", "a.yaml -> b.yaml -> a.yaml"),
        ("bertspec: 1\nname: a\nextends: bb.yaml\n", "E007", "bb.yaml"),
        ("bertspec: 1\nname: a\ndata: revues\n", "E007", "datasets/revues.yaml"),
    ],
)
def test_files_that_do_not_go_together(tmp_path: Path, text: str, code: str, word: str) -> None:
    _write(tmp_path, "b.yaml", "bertspec: 1\nname: b\nextends: a.yaml\n")
    _write(tmp_path, "datasets/reviews.yaml", "bertspec: 1\n")
    with pytest.raises(InputError) as caught:
        load_spec(_write(tmp_path, "a.yaml", text), tmp_path)
    assert caught.value.diagnostics[0].code == code
    assert word in caught.value.diagnostics[0].message


def test_an_error_in_a_data_set_file_points_into_it_once(tmp_path: Path) -> None:
    data = "bertspec: 1\nsource: {type: csv, files: {train: x.csv}}\ncolumns: {txt: t}\n"
    _write(tmp_path, "specs/datasets/d.yaml", data + "split: {type: hash}\n")
    for name in ("a", "b"):
        text = BASE.replace("name: parent", f"name: {name}")
        head, _, rest = text.partition("data:\n")
        tail = rest.partition("model:")[2]
        _write(tmp_path, f"specs/{name}.yaml", f"{head}data: d\nmodel:{tail}")
    loaded = load([tmp_path / "specs"], tmp_path)
    places = [(d.code, str(d.position)) for d in loaded.diagnostics]
    assert sorted(places) == [
        ("E010", "specs/datasets/d.yaml:3:11"),
        ("E011", "specs/datasets/d.yaml:3:1"),
    ]
