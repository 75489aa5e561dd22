"""Each rule across fields: a spec that breaks it, where that is told; a good one is silent."""

import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.compiler.checks import PROJECT_RULES, RULES, load_checked, scratch_config_is_known
from bertspec.core.diagnostics import Severity
from tests.projects import SPEC, Project

THREE = ["a", "b", "c"]
STARS = {"column": "stars", "map": {"1": "bad", "5": "good"}}

NEXT_WORD = {
    "task": {"type": "causal-lm"}, "data.columns": {"text": "review"},
    "evaluation.metrics": ["perplexity"],
}  # fmt: skip

BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("E101", "3:11", {"name": "bases"}),
    ("E102", "8:7", {"task.labels": ["bad", "bad"]}),
    ("E103", "19:16", {"data.columns": {"text": "review"}}),
    ("E104", "21:16", {"data.columns.label": "review"}),
    ("E105", "27:16", {"data.split.group": "verdict"}),
    ("E106", "23:14", {"data.split.test": 0.9}),
    ("E106", "26:15", {"data.split.test": 0.0}),
    ("E105", "33:16", {"data.columns.label": STARS, "data.split.group": "stars"}),
    ("E104", "21:16", {"data.columns.label": STARS | {"column": "review"}}),
    ("E106", "23:14", {"data.split": {"type": "k-fold", "folds": 2, "fold": 0}}),
    ("E106", "23:14",
     {"data.split": {"type": "k-fold", "folds": 4, "fold": 0, "validation": 0.75}}),
    ("E107", "24:14",
     {"data.source.files.test": "data/reviews.csv", "data.split": {"type": "k-fold", "fold": 0}}),
    ("E107", "24:14", {"data.source.files.test": "data/reviews.csv"}),
    ("E108", "13:15", {"data.split": {"type": "given"}}),
    ("E109", "16:18", {"data.source.files.train": "../x.csv"}),
    ("E109", "16:18", {"data.source.files.train": "/x.csv"}),
    ("E109", "16:18", {"data.source.files.train": "s3://b/x.csv"}),
    ("E109", "16:18", {"data.source.files.train": "data/${x}.csv"}),
    ("E109", "16:18", {"data.source.files.train": "data\\x.csv"}),
    ("E109", "16:18", {"data.source.files.train": "data/r/raw/x.csv"}),
    ("E109", "16:18", {"data.source.files.train": "models/bases/x"}),
    ("E109", "16:18", {"data.source.files.train": "models/m/trained"}),
    ("E109", "16:18", {"data.source.files.train": "models/m/seeds/14"}),
    ("E109", "16:18", {"data.source.files.train": "data/r/tokenized"}),
    ("E109", "16:18", {"data.source.files.train": "data"}),
    ("E109", "35:15", {"model.base": {"type": "local", "path": "../m"}}),
    ("E109", "35:15", {"model.base": {"type": "local", "path": "models/m/export"}}),
    ("E109", "36:15", {"model.base": {"type": "package", "package": "p", "path": "/etc"}}),
    ("E109", "36:15", {"model.base": {"type": "package", "package": "p", "path": "../q"}}),
    *(("E109", "56:22", {"training.execution": {"tensorboard": path}})
      for path in ("../runs", "/runs", "models/tiny/trained/runs", "data", ".", "")),
    ("E110", "35:15", {"model.base": {"type": "local", "path": "bas"}}),
    ("E110", "16:18", {"data.source.files.train": "data/revews.csv"}),
    ("E111", "30:19", {"tokenization.max_length": 65}),
    ("E111", "30:19",
     {"tokenization.max_length": 513, "model.base.config": {"model_type": "bert"}}),
    ("E111", "30:19",  # positions are counted from the one after the padding's, which is 0 here
     {"tokenization.max_length": 512, "model.base.config": {"model_type": "roberta"}}),
    ("E112", "37:24", {"model.base.config.num_attention_heads": 3}),
    ("E112", "42:9", {"model.base.config.hiden_size": 64}),
    ("E112", "42:9", {"model.base.config.pad_token_id": 0}),
    ("E113", "58:7", {"training.class_weights": {"bad": 1, "good": 1, "god": 2}}),
    ("E114", "55:30", {"training.metric_for_best_model": "acuracy"}),
    ("E115", "55:23",
     {"data.split": {"type": "time", "column": "day", "test_from": "2024-01-01"},
      "training.early_stopping": {"patience": 1}}),
    ("E115", "55:23", {"data.split.validation": 0.0, "training.early_stopping": {"patience": 1}}),
    ("E115", "55:23", {"data.split.validation": 0.0, "training.validate_every": 5}),
    ("E116", "55:23", {"training.early_stopping": {"patience": 10}}),
    ("E116", "57:23", {"training.validate_every": 5, "training.max_steps": 16,
                       "training.early_stopping": {"patience": 4}}),
    ("E117", "40:22",
     {"model.base": {"type": "local", "path": "base"}, "training.learning_rate": 0.1}),
    ("E118", "58:7", {"evaluation.metrics": ["acuracy"]}),
    ("E118", "59:7", {"task.labels": THREE, "evaluation.metrics": ["f1"]}),
    ("E119", "59:7", {"evaluation.metrics": ["f1", "f1"]}),
    ("E120", "63:7", {"evaluation.require": {"matthews": ">= 0.1"}}),
    ("E120", "63:7", {"evaluation.require": {"classes.god.f1": ">= 0.1"}}),
    ("E121", "63:26", {"evaluation.require": {"classes.good.f1": ">= 80"}}),
    ("E121", "63:19", {"evaluation.require": {"accuracy": ">= 80"}}),
    ("E121", "63:19", {"evaluation.require": {"accuracy": "> 1"}}),
    ("E123", "67:5", {"export": [{"type": "onnx"}, {"type": "onnx"}]}),
    ("E123", "71:5", {"export": [{"type": "onnx", "quantize": "int8"}, {"type": "onnx"},
                                 {"type": "onnx", "quantize": "int8", "opset": 20}]}),
    ("E155", "66:7", {"export": [{"type": "onnx", "max_metric_delta": 0.01}]}),
    ("E155", "67:7", {"export": [{"type": "onnx", "quantize": "int8", "tolerance": 0.1}]}),
    ("E155", "66:7", {"export": [{"type": "onnx", "calibration_rows": 5}]}),
    ("E155", "67:7", {"export": [{"type": "onnx", "quantize": "int8", "calibration_rows": 5}]}),
    ("E124", "63:13", {"export": [{"type": "torchscript"}]}),
    ("E127", "27:19", {"data.split.stratify": "lable"}),
    ("E127", "27:19", {"data.split.stratify": "text_pair"}),
    ("E128", "27:26", {"data.split": {"type": "time", "column": "day", "test_from": "2024-01-01",
                                      "validation_from": "2024-01-01T01:00+01:00"}}),
    ("E129", "26:15", {"data.split": {"type": "k-fold", "folds": 5, "fold": 5}}),
    ("E130", "31:20", {"data.where": [{"column": "review", "matches": "(?=a)"}]}),
    ("E131", "25:16", {"data.columns.label": STARS | {"map": {"1": "bad", "5": "god"}}}),
    ("E131", "27:18", {"data.columns.label": STARS | {"other": "god"}}),
    ("E131", "22:18", {"data.columns.label": {"value": "god"}}),
    ("E132", "20:15", {"data.columns.text": {"column": "review", "list": True}}),
    ("E132", "21:16", {"data.columns.label": {"column": "stars", "number": True}}),
    ("E134", "58:22", {"training.sampling": {"type": "balanced"},
                       "training.class_weights": "balanced"}),
    ("E135", "33:17", {"tokenization.long_documents": {"type": "windows", "stride": 15}}),
    ("E135", "35:20", {"tokenization.long_documents": {"type": "windows", "stride": 4,
                                                       "aggregate": "vote"},
                       "task.calibration": "temperature"}),
    ("E136", "11:17", {"task.labels": THREE, "evaluation.metrics": ["accuracy"],
                       "task.decision": {"type": "recall", "at_least": 0.9}}),
    ("E137", "64:19", {"evaluation.slices": {"x": {"column": "txt", "equals": "a"}}}),
    ("E139", "51:24", {"task": {"type": "text-regression"}, "training.label_smoothing": 0.1}),
    ("E139", "51:20", {"task": {"type": "text-regression"}, "training.focal_gamma": 2.0}),
    ("E147", "51:21", {"task": {"type": "sentence-embedding"}, "training.distillation":
                       {"teacher": {"type": "spec", "name": "large"}}}),
    ("E133", "50:17",
     NEXT_WORD | {"training.sampling": {"type": "balanced"}, "data.columns": {"text": "review"}}),
    ("E141", "28:13", NEXT_WORD | {"model.base.config.model_type": "albert"}),
    ("E142", "10:20", {"data.split.validation": 0.0, "task.calibration": "temperature"}),
    ("E142", "10:17", {"data.split": {"type": "given"}, "data.source.files.test": "data/t.csv",
                       "task.decision": {"type": "recall", "at_least": 0.9}}),
    ("E143", "58:23",
     {"training.schedule": {"type": "cosine", "warmup_ratio": 0.1, "warmup_steps": 5}}),
    ("E144", "54:21", {"training.batch.accumulate": 9}),
    ("E144", "50:21", {"task": {"type": "sentence-embedding"}, "training.batch.accumulate": 2}),
    ("E144", "50:17", {"task": {"type": "sentence-embedding"}, "training.batch.shards": 2}),
    ("E144", "54:17", {"training.batch.shards": 16}),
    ("E144", "54:17", {"training.batch.shards": 4, "training.batch.accumulate": 3}),
    ("E144", "57:20", {"training.batch.shards": 2, "training.execution": {"processes": 4}}),
    ("E145", "56:7", {"training.seeds": [13]}),
    ("E145", "57:7", {"training.seeds": [14, 14]}),
    ("E146", "56:33", {"model.base.config.model_type": "albert",
                       "training.execution": {"gradient_checkpointing": True}}),
    ("E150", "55:15", {"training.freeze": 3}),
    ("E150", "55:15", {"training.freeze": 1, "model.base.config.model_type": "albert"}),
    ("E150", "51:15", {"training.freeze": "all", "task": {"type": "sentence-embedding"}}),
    ("E151", "55:15", {"training.freeze": 1, "training.lora": {}}),
    ("E140", "17:18", {"data.source": {"type": "sql", "database": "data/a.db",
                                       "query": {"train": "select * from reviews"}}}),
]  # fmt: skip
"""Code, line and column in specs/tiny.json, and what is changed in the good spec."""


def _with(changes: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    for path, value in changes.items():
        *parents, last = path.split(".")
        target = spec
        for part in parents:
            target = target.setdefault(part, {})
        target[last] = value
    return spec


@pytest.mark.parametrize(("code", "place", "changes"), BROKEN)
def test_a_broken_rule_is_told_at_its_place(
    project: Project, code: str, place: str, changes: dict[str, Any]
) -> None:
    project.write_spec(_with(changes))
    loaded = load_checked([Path("specs")], project.root)
    found = [d for d in loaded.diagnostics if d.code == code]
    assert found, loaded.diagnostics
    assert str(found[0].position) == f"specs/tiny.json:{place}"
    assert found[0].help


def test_an_export_of_before_is_told_where_the_spec_has_none(project: Project) -> None:
    project.write_spec(_with({"export": []}))
    assert load_checked([Path("specs")], project.root).diagnostics == ()
    (project.root / "models/tiny/export").mkdir(parents=True)
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert (found.code, found.severity) == ("E124", Severity.WARNING)
    assert "runs models/tiny/export, which is no longer built" in found.message
    assert str(found.position) == "specs/tiny.json:63:13"


def test_a_good_spec_breaks_no_rule(project: Project) -> None:
    assert load_checked([Path("specs")], project.root).diagnostics == ()


def test_a_mistyped_key_of_a_new_models_config_is_told_with_the_one_that_is_meant(
    project: Project,
) -> None:
    project.write_spec(_with({"model.base.config.hiden_size": 64}))
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert found.message == "the config of `bert` takes no `hiden_size`"
    assert found.help == "did you mean `hidden_size`?"
    assert found.position is not None
    assert found.position.text.strip() == '"hiden_size": 64'


def test_keys_that_another_transformers_may_know_are_a_warning(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch_config_is_known, "table_version", lambda: "5.0.0")
    project.write_spec(_with({"model.base.config.of_a_later_version": 64}))
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert (found.code, found.severity) == ("E112", Severity.WARNING)
    assert "in transformers 5.0.0" in found.message


def test_two_specs_of_one_name_and_one_data_set_defined_twice(project: Project) -> None:
    project.write_spec(_with({"data.split.salt": "other"}), "b.json")
    found = {d.code: d for d in load_checked([Path("specs")], project.root).diagnostics}
    assert set(found) == {"E125", "E126"}
    assert "split.salt" in found["E126"].message
    assert "specs/b.json" in found["E126"].message, "it says where the other definition is"


def test_every_rule_is_broken_by_a_case_above() -> None:
    modules = {rule.__module__ for rule in (*RULES, *PROJECT_RULES)}
    codes = set()
    for module in modules:
        doc = __import__(module, fromlist=["x"]).__doc__ or ""
        codes.add(doc[:4])
    # Those of several specs are broken elsewhere.
    assert codes - {code for code, _, _ in BROKEN} == {"E125", "E126", "E138"}


GOOD: list[dict[str, Any]] = [
    {"data.columns.label": STARS},
    {"data.columns.label": STARS | {"map": {"1": "bad"}, "other": "good"}},
    {"data.columns.text_pair": {"value": "film"}},
    {"data.split.stratify": "label", "data.split.group": "film"},
    {"evaluation.require": {"classes.good.f1": ">= 0.1", "accuracy": ">= 0.1"}},
    {"data.split": {"type": "k-fold", "folds": 3, "fold": 2}},
    {"data.split": {"type": "time", "column": "day", "test_from": "2024-01-01",
                    "validation_from": "2023-12-31T23:00Z"}},
    {"data.where": [{"column": "review", "matches": r"^\d+$"}]},
    {"training.sampling": {"type": "balanced"}},
    {"tokenization.max_length": 512, "model.base.config": {"model_type": "bert"}},
    {"tokenization.max_length": 510, "model.base.config": {"model_type": "mpnet"}},
    {"model.base.config": {"model_type": "distilbert", "hidden_size": 32, "dim": 32}},
    {"model.base.config": {"model_type": "deberta-v2", "share_att_key": True}},
    {"model.base.config": {"model_type": "of_no_table", "hiden_size": 64}},
    {"training.schedule": {"type": "polynomial", "power": 2.0, "warmup_steps": 5}},
    {"training.batch.accumulate": 8},
    {"export": [{"type": "onnx", "tolerance": 1e-3}, {"type": "onnx", "quantize": "fp16"},
                {"type": "onnx", "quantize": "int8", "max_metric_delta": 0.01}]},
    {"export": [{"type": "onnx", "quantize": "int8-static", "calibration_rows": 512},
                {"type": "onnx", "calibration_rows": 256, "max_metric_delta": 0.005}]},
    {"training.batch.shards": 4, "training.batch.accumulate": 2,
     "training.execution": {"processes": 4}},
    {"training.freeze": 2},
    {"training.freeze": "all", "model.base.config.model_type": "albert"},
    {"training.freeze": 30, "model.base.config": {"model_type": "bert"}},
    {"training.lora": {"rank": 4, "target_modules": ["query", "value"]}},
    {"training.freeze": "all", "model.base": {"type": "hub", "id": "a/b", "revision": "0" * 40}},
    {"training.execution": {"tensorboard": "runs/tiny", "gradient_checkpointing": True}},
    {"training.seeds": [14, 0]},
    {"training.validate_every": 5, "training.early_stopping": {"patience": 10}},
    {"training.validate_every": 5, "training.max_steps": 16,
     "training.early_stopping": {"patience": 3}},
    {"training.sampling": {"type": "cap", "per_label": 5}, "training.class_weights": "balanced"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("classes.god.f1", "there is no class `god`", "did you mean `good`?"),
        ("classes.good.f", "a class has no metric `f`", "did you mean `f1`?"),
        ("classes.good", "`classes.good` names no class and metric", "`classes.bad.precision`"),
    ],
)
def test_a_class_that_is_not_there(project: Project, name: str, message: str, advice: str) -> None:
    project.write_spec(_with({"evaluation.require": {name: ">= 0.1"}}))
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert found.message == message
    assert advice in found.help


def test_a_task_without_classes_has_no_metrics_of_them(project: Project) -> None:
    project.write_spec(_with(NEXT_WORD | {"evaluation.require": {"classes.a.f1": ">= 0.1"}}))
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert found.message == "causal-lm has no classes with metrics of their own"


def test_a_tuned_threshold_without_validation_is_a_warning(project: Project) -> None:
    several = {
        "task": {"type": "multi-label-classification", "labels": ["bad", "good"]},
        "data.columns.label": {"column": "verdict", "separator": ";"},
        "evaluation.metrics": ["f1_micro"],
        "data.split.validation": 0.0,
    }
    project.write_spec(_with(several))
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert (found.code, found.severity) == ("E142", Severity.WARNING)
    assert "0.5 holds instead" in found.message
    project.write_spec(_with(several | {"task.threshold": 0.5}))
    assert load_checked([Path("specs")], project.root).diagnostics == ()


@pytest.mark.parametrize("changes", GOOD)
def test_what_breaks_no_rule(project: Project, changes: dict[str, Any]) -> None:
    project.write_spec(_with(changes))
    assert load_checked([Path("specs")], project.root).diagnostics == ()


def test_warnings_do_not_fail(project: Project) -> None:
    project.write_spec(_with({"export": [{"type": "torchscript"}]}))
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert found.severity is Severity.WARNING
    project.bertspec("validate", code=0)


def test_a_path_that_cannot_be_used_is_told_once(project: Project) -> None:
    for name in ("s3://b/x.csv", "a/\0/b.csv", "../x.csv"):
        project.write_spec(_with({"data.source.files.train": name}))
        found = load_checked([Path("specs")], project.root).diagnostics
        assert [d.code for d in found] == ["E109"]


def test_a_file_of_a_name_that_is_too_long_is_not_there(project: Project) -> None:
    project.write_spec(_with({"data.source.files.train": "x" * 300}))
    assert [d.code for d in load_checked([Path("specs")], project.root).diagnostics] == ["E110"]


def test_a_folder_of_ones_own_beside_what_bertspec_writes_can_be_used(project: Project) -> None:
    for name in ("models/mine", "data/raw", "data/reviews/models", "base/data/x/raw"):
        (project.root / name).mkdir(parents=True)
        base = {"type": "local", "path": name}
        project.write_spec(_with({"model.base": base, "training.learning_rate": 1e-5}))
        assert load_checked([Path("specs")], project.root).diagnostics == ()


def test_the_machine_formats_hold_a_path_that_is_not_there(project: Project) -> None:
    project.write_spec(_with({"training.epoch": 2}))
    command = ("validate", "nowhere", "specs", "--format")
    found = json.loads(project.call(*command, "json", code=2).stdout)
    assert [(d["code"], d["position"]["file"]) for d in found] == [
        ("E007", "nowhere"),
        ("E010", "specs/tiny.json"),
    ]
    lines = project.call(*command, "github", code=2).stdout.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "::error file=nowhere",
        "::error file=specs/tiny.json",
    ]


def test_a_project_without_specs_compiles_with_a_warning(project: Project) -> None:
    project.compile()
    (project.root / "specs" / "tiny.json").unlink()
    assert "warning[E016]" in project.bertspec("validate", code=0)
    assert "warning[E016]" in project.bertspec("compile", code=0)
    assert project.stages() == []
