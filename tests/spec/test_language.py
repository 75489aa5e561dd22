"""The language: what pydantic takes and JSON Schema takes; defaults; extends; data sets."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from bertspec.catalog.sources import SOURCES
from bertspec.compiler.checks import load_checked
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.names import did_you_mean
from bertspec.spec.load import LoadedSpec, load
from bertspec.spec.reference import fields_of
from bertspec.spec.schema import schema_text
from bertspec.spec.sections import DataSetFile, Spec
from tests.projects import SPEC, Project

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
    ("data.source", {"type": "hub", "id": "a/b", "revision": "refs/pr/1"}),
    ("data.split", {"type": "given", "validation": 0.1}), ("export", []),
    ("model.base", {"type": "hub", "id": "google-bert/bert-base-uncased", "revision": SHA}),
    ("model.base", {"type": "package", "package": "a_b.c"}), ("model.head", {"dropout": 0}),
    ("training.freeze", 2), ("training.freeze", "all"),
    ("training.lora", {"target_modules": ["query"]}), ("training.lora", {"alpha": 8}),
]  # fmt: skip
BAD = [
    ("bertspec", 2), ("bertspec", ...), ("bertspec", True), ("name", "Big Name"),
    ("name", ...), ("task", ...),
    ("task.labels", ["one"]), ("task.labels", [1, 2]), ("task.type", "text-clasification"),
    ("unknown", 1), ("training.learnin_rate", 1), ("training.epochs", 0), ("training.epochs", "3"),
    ("training.epochs", 1.5), ("training.epochs", True), ("training.precision", "fp16"),
    ("training.class_weights", "ballanced"), ("training.class_weights", {"bad": 0}),
    ("training.schedule", {"type": "cosin"}), ("training.schedule", {}),
    ("training.freeze", 0), ("training.freeze", "layers"), ("training.lora", {"rank": 0}),
    ("training.lora", {"target_modules": "query"}), ("training.lora", {"target_modules": []}),
    ("data.source", {"type": "hub", "id": "a/b", "revision": "not one"}),
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


def test_the_schema_is_a_valid_one_and_describes_every_key_at_its_top() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == list(Spec.model_fields)
    for name, field in SCHEMA["properties"].items():
        reference = field.get("$ref", "").rpartition("/")[2]
        assert field.get("description") or SCHEMA["$defs"][reference]["description"], name


GOOD_CHILDREN: list[dict[str, Any]] = [
    {},
    {"model": {"head": {"dropout": 0.1}}, "data": {"split": {"validation": 0.2}}},
    {"data": {"split": {"type": "hash", "test": 0.2}, "source": {"files": {"test": "t.csv"}}}},
    {"data": {"source": {"files": {}}}, "evaluation": {"fit": {"max_gap": 0.2}}},
    {"training": {"schedule": {"warmup_ratio": 0.2}, "class_weights": {"bad": 2, "good": 1}}},
    {"model": {"base": {"tokenizer": {"lowercase": False}}}, "export": []},
    {"model": {"base": {"type": "local", "path": "base"}}, "task": {"labels": ["bad", "good"]}},
    {"export": [{"type": "onnx", "tolerance": 0.01}], "evaluation": {"metrics": ["f1"]}},
]
BAD_CHILDREN: list[dict[str, Any]] = [
    {"training": {"epoch": 2}}, {"training": {"epochs": 0}}, {"training": None},
    {"model": {"head": {"dropout": "0.1"}}}, {"model": {"base": {"tokenizer": {"size": 3}}}},
    {"data": {"split": {"type": "hash", "teste": 0.2}}}, {"data": {"split": {"type": "hsh"}}},
    {"data": {"source": {"files": {"trian": "t.csv"}}}}, {"export": [{}]},
    {"export": [{"type": "onx"}]}, {"evaluation": {"metrics": []}},
    {"evaluation": {"metrics": ["acuracy"]}}, {"evaluation": {"require": {"acuracy": "> 0.1"}}},
    {"training": {"metric_for_best_model": "acuracy"}}, {"training": {"schedule": {"type": "cos"}}},
    {"data": {"split": {"type": "given", "salt": "x"}}}, {"bertspec": 2}, {"name": "A b"},
    {"extends": None}, {"extends": ""},
]  # fmt: skip


@pytest.mark.parametrize(
    ("child", "good"),
    [*((c, True) for c in GOOD_CHILDREN), *((c, False) for c in BAD_CHILDREN)],
)
def test_the_schema_and_the_loader_agree_on_a_spec_that_extends_another(
    project: Project, child: dict[str, Any], good: bool
) -> None:
    (project.root / "base").mkdir()
    child = {"bertspec": 1, "name": "child", "extends": "_p.json", **child}
    project.write_spec(_changed("training.schedule", {"type": "linear"}), "_p.json")
    project.write_spec(child, "child.json")
    found = _found(Path("specs/child.json"), project.root)
    rules = {"E107"}  # of two files at once: no schema can say them
    errors = [d for d in found if d.severity is Severity.ERROR and d.code not in rules]
    assert (not errors) is good, errors
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(child) is good


@pytest.mark.parametrize("key", ["bertspec", "name"])
def test_a_spec_that_extends_another_has_its_own_version_and_name(tmp_path: Path, key: str) -> None:
    _write(tmp_path, "p.yaml", BASE)
    child = {"bertspec": 1, "name": "child", "extends": "p.yaml"}
    del child[key]
    (found,) = _found(_write(tmp_path, "c.json", json.dumps(child)), tmp_path)
    assert (found.code, found.message) == ("E011", f"`{key}` is missing")
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(child)


def test_editors_are_given_the_metrics() -> None:
    for definition in ("Evaluation", "PartialEvaluation"):
        fields = SCHEMA["$defs"][definition]["properties"]
        assert "f1_macro" in fields["metrics"]["items"]["enum"]
        assert {"loss", "f1_macro"} < set(fields["require"]["propertyNames"]["anyOf"][0]["enum"])
    training = SCHEMA["$defs"]["TrainingSection"]["properties"]
    assert {"loss", "f1_macro"} < set(training["metric_for_best_model"]["enum"])


def test_every_field_has_a_description() -> None:
    for model in (Spec, DataSetFile):
        assert [f.path for f in fields_of(model) if not f.description] == []


def test_an_enumeration_of_the_language_is_one_in_the_schema() -> None:
    training = SCHEMA["$defs"]["TrainingSection"]["properties"]
    assert training["precision"]["enum"] == ["fp32", "bf16", "auto"]
    mapping = SCHEMA["$defs"]["DataSet"]["properties"]["source"]["discriminator"]["mapping"]
    assert set(mapping) == set(SOURCES)


def _write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _load(path: Path, root: Path) -> LoadedSpec:
    loaded = load([path], root)
    assert loaded.diagnostics == ()
    return loaded.specs[0]


def _found(path: Path, root: Path) -> list[Diagnostic]:
    return list(load_checked([path], root).diagnostics)


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
    loaded = _load(_write(tmp_path, "specs/child.yaml", child), tmp_path)
    assert loaded.spec.training.epochs == 5
    assert loaded.spec.training.learning_rate == 1e-5
    assert loaded.dataset_name == "parent", "the child shares the data set that the parent wrote"
    assert str(loaded.document.position(("training", "epochs"))) == "specs/child.yaml:5:11"
    where = loaded.document.position(("training", "learning_rate"))
    assert str(where) == "specs/parent.yaml:9:38"


def test_another_type_replaces_the_options_of_the_one_extended(tmp_path: Path) -> None:
    _write(tmp_path, "parent.yaml", BASE)
    child = "bertspec: 1\nname: c\nextends: parent.yaml\nmodel: {base: {type: local, path: m}}\n"
    loaded = _load(_write(tmp_path, "c.yaml", child), tmp_path)
    assert loaded.spec.model.base.type == "local"


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("bertspec: 1\nname: a\nextends: b.yaml\n", "E008", "a.yaml -> b.yaml -> a.yaml"),
        ("bertspec: 1\nname: a\nextends: bb.yaml\n", "E007", "bb.yaml"),
        ("bertspec: 1\nname: a\nextends: none/bb.yaml\n", "E007", "none/bb.yaml"),
        ('bertspec: 1\nname: a\nextends: "b\\0"\n', "E007", "there is no file"),
        (f"bertspec: 1\nname: a\nextends: {'b' * 300}\n", "E007", "there is no file"),
        ("bertspec: 1\nname: a\nextends: two.yaml\n", "E009", "version 2"),
        ("bertspec: 1\nname: a\nextends: yes.yaml\n", "E009", "version True"),
        ("bertspec: 1\nname: a\nextends: none.yaml\n", "E011", "`bertspec` is missing"),
        ("bertspec: 1\nname: a\ndata: revues\n", "E007", "datasets/revues.yaml"),
        ("bertspec: 1\nname: a\ndata: ../other/foo\n", "E015", "`data` is `../other/foo`"),
        (f"bertspec: 1\nname: a\ndata: {'d' * 300}\n", "E007", "there is no datasets/ddd"),
        ("bertspec: true\nname: a\n", "E009", "version `true`"),
    ],
)
def test_files_that_do_not_go_together(tmp_path: Path, text: str, code: str, word: str) -> None:
    _write(tmp_path, "b.yaml", "bertspec: 1\nname: b\nextends: a.yaml\n")
    _write(tmp_path, "two.yaml", "bertspec: 2\nname: b\n")
    _write(tmp_path, "yes.yaml", "bertspec: true\nname: b\n")
    _write(tmp_path, "none.yaml", "name: b\n")
    _write(tmp_path, "datasets/reviews.yaml", "bertspec: 1\n")
    _write(tmp_path, "other/foo.yaml", "bertspec: 1\n")
    found = _found(_write(tmp_path, "a.yaml", text), tmp_path)
    assert any(d.code == code and word in d.message for d in found), found


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
    assert places == [("E010", "specs/datasets/d.yaml:3:11")]


def test_all_missing_keys_are_told(tmp_path: Path) -> None:
    found = _found(_write(tmp_path, "a.yaml", "bertspec: 1\n"), tmp_path)
    missing = {d.message.split("`")[1] for d in found if d.code == "E011"}
    assert missing == {"name", "task", "data", "model", "evaluation"}


def test_an_unknown_key_hides_no_rules(tmp_path: Path) -> None:
    text = BASE.replace("{epochs: 2", "{epoch: 2").replace("[accuracy]", "[acuracy]")
    found = _found(_write(tmp_path, "a.yaml", text), tmp_path)
    places = {(d.code, str(d.position)) for d in found if d.severity is Severity.ERROR}
    assert places == {("E010", "a.yaml:9:12"), ("E118", "a.yaml:10:24")}


def test_an_unknown_key_that_is_a_kinds_name_is_told_at_its_place(tmp_path: Path) -> None:
    text = BASE.replace("source: {type: csv,", "source: {csv: 1, type: csv,")
    found = _found(_write(tmp_path, "a.yaml", text), tmp_path)
    assert ("E010", "a.yaml:5:12") in {(d.code, str(d.position)) for d in found}


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "words"),
    [
        ("[accuracy]}", "[accuracy]}\nexport: [{}]", "E011", "11:10", "did you|`onnx`"),
        ("[accuracy]}", "[accuracy]}\nexport: [{type: onx}]", "E012", "11:17", "no export of type"),
        ("{train: data", "{trian: data", "E013", "5:31", "`data.source.files` cannot have the key"),
        ("1e-5}", "1e-5, precision: fp61}", "E013", "9:55", "did you mean `fp16`|`fp32`"),
    ],
)
def test_what_is_said_and_marked(
    tmp_path: Path, old: str, new: str, code: str, place: str, words: str
) -> None:
    found = _found(_write(tmp_path, "a.yaml", BASE.replace(old, new)), tmp_path)
    (wrong,) = [d for d in found if d.severity is Severity.ERROR]
    assert (wrong.code, str(wrong.position)) == (code, f"a.yaml:{place}")
    assert any(word in f"{wrong.message} {wrong.help}" for word in words.split("|")), wrong


@pytest.mark.parametrize(
    ("require", "code", "advice"),
    [
        ("{accuracy: 0.8}", "E014", "`accuracy: '>= 0.8'`"),
        ("{accuracy: '0.8'}", "E015", "`accuracy: '>= 0.8'`"),
        ("{accuracy: '>= 80%'}", "E015", "`accuracy: '>= 0.8'`"),
        ("{loss: 1e-7}", "E014", "`loss: '<= 0.0000001'`"),
        ("{rmse: 2}", "E014", "`rmse: '<= 2'`"),
        ("{classes.a.f1: 0.5}", "E014", "`classes.a.f1: '>= 0.5'`"),
        ("{accuracy: null}", "E014", "`accuracy: '>= 0.8'`"),
    ],
)
def test_a_bound_that_is_none_is_told_with_one_that_is(
    tmp_path: Path, require: str, code: str, advice: str
) -> None:
    text = BASE.replace("[accuracy]}", f"[accuracy], require: {require}}}")
    found = _found(_write(tmp_path, "a.yaml", text), tmp_path)
    (wrong,) = [d for d in found if d.severity is Severity.ERROR]
    assert wrong.code == code
    assert advice in wrong.help
    good = BASE.replace("[accuracy]}", f"[accuracy], require: {{{advice.strip('`')}}}}}")
    codes = {d.code for d in _found(_write(tmp_path, "b.yaml", good), tmp_path)}
    assert not codes & {"E014", "E015"}, "what is advised is allowed"


@pytest.mark.parametrize(
    ("path", "value", "advice"),
    [
        ("training.learning_rate", -1, "`learning_rate` is more than 0, by default `5e-05`: Peak"),
        ("training.epochs", 0, "`epochs` is at least 1 and at most 10000, by default `3`: Passes"),
        ("training.seed", 2**32, "at least 0 and less than 4294967296, by default `13`"),
        ("training.class_weights", {"bad": 0}, "`class_weights` is more than 0"),
        ("training.schedule", {"type": "linear", "warmup_ratio": 1},
         "at least 0 and less than 1, by default `0.1`"),
        ("tokenization.max_length", 2, "`max_length` is at least 4, by default `256`: Most tokens"),
        ("model.head.dropout", 1.5, "`dropout` is at least 0 and less than 1, by default"),
        ("model.base.tokenizer.vocab_size", 3, "`vocab_size` is at least 16: Entries"),
    ],
)  # fmt: skip
def test_a_number_outside_its_range_is_told_with_range_and_default(
    project: Project, path: str, value: object, advice: str
) -> None:
    project.write_spec(_changed(path, value))
    (wrong,) = _found(project.root / "specs", project.root)
    assert wrong.code == "E015"
    assert advice in wrong.help


def test_a_wrong_value_behind_an_alias_is_told_where_the_alias_stands(tmp_path: Path) -> None:
    text = BASE.replace("{epochs: 2", "{seed: &n 0, epochs: *n")
    (found,) = _found(_write(tmp_path, "a.yaml", text), tmp_path)[:1]
    assert (found.code, str(found.position)) == ("E015", "a.yaml:9:24")


def test_a_wrong_path_or_parent_hides_nothing_of_other_files(tmp_path: Path) -> None:
    _write(tmp_path, "specs/a.yaml", "bertspec: 1\nname: a\nextends: none.yaml\n")
    _write(tmp_path, "specs/b.yaml", BASE.replace("epochs", "epoch"))
    loaded = load_checked([Path("nowhere"), Path("specs"), Path("x" * 300)], tmp_path)
    files = {d.position.file for d in loaded.diagnostics if d.position and d.code < "E100"}
    assert files == {"nowhere", "specs/a.yaml", "specs/b.yaml", "x" * 300}


def test_what_a_folder_of_specs_holds_beside_specs_is_told(tmp_path: Path) -> None:
    _write(tmp_path, "specs/A.YAML", BASE)
    _write(tmp_path, "specs/b.JSON", "{")
    _write(tmp_path, "specs/notes.txt", "")
    (tmp_path / "specs" / "c.yaml").symlink_to("gone.yaml")
    (tmp_path / "specs" / "d.yaml").mkdir()
    loaded = load([Path("specs")], tmp_path)
    assert [s.spec.name for s in loaded.specs] == ["parent"]
    found = {d.position.file: (d.code, d.severity) for d in loaded.diagnostics if d.position}
    assert found == {
        "specs/b.JSON": ("E001", Severity.ERROR),
        "specs/c.yaml": ("E007", Severity.ERROR),
        "specs/d.yaml": ("E007", Severity.WARNING),
    }


def test_a_folder_without_a_spec_is_a_warning(tmp_path: Path) -> None:
    _write(tmp_path, "specs/_parent.yaml", BASE)
    (found,) = load([Path("specs")], tmp_path).diagnostics
    assert (found.code, found.severity) == ("E016", Severity.WARNING)
    assert "specs" in found.message


def test_data_sets_are_looked_for_up_to_the_projects_folder(tmp_path: Path) -> None:
    data = "bertspec: 1\nsource: {type: csv, files: {train: x.csv}}\ncolumns: {text: t}\n"
    _write(tmp_path, "datasets/d.yaml", data + "split: {type: hash}\n")
    spec = BASE[: BASE.index("data:")] + "data: d\n" + BASE[BASE.index("model:") :]
    path = _write(tmp_path, "project/specs/a.yaml", spec)
    assert [d.code for d in load([path], tmp_path / "project").diagnostics] == ["E007"]
    _write(tmp_path, "project/datasets/d.YML", data + "split: {type: hash}\n")
    assert _load(path, tmp_path / "project").spec.data.columns.text == "t"


def test_a_name_has_no_machines_path_however_the_project_is_reached(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to("real")
    _write(real, "specs/_p.yaml", BASE)
    _write(real, "specs/a.yaml", "bertspec: 1\nname: a\nextends: _p.yaml\n")
    for root, path in ((link, Path("specs")), (link, real / "specs"), (real, link / "specs")):
        document = load([path], root).specs[0].document
        assert document.name == "specs/a.yaml"
        assert document.position(("data", "source")).file == "specs/_p.yaml"
    assert (
        load([real / "specs"], tmp_path / "other").specs[0].document.name == "../real/specs/a.yaml"
    )


@pytest.mark.parametrize(("wrong", "right"), [("POSITVE", "POSITIVE"), ("negativ", "NEGATIVE")])
def test_the_nearest_name_is_found_in_any_case(wrong: str, right: str) -> None:
    assert did_you_mean(wrong, ["NEGATIVE", "POSITIVE"]) == f"did you mean `{right}`?"
