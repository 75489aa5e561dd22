"""What compile writes: golden files, what rebuilds for each field, and what of the user's stays."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertspec.compiler.emit import emit_dvc, emit_params
from bertspec.compiler.lower import lower, packages_used
from bertspec.core.errors import InputError
from bertspec.core.model import affected_by, extra, written_out
from bertspec.core.values import leaves
from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.params.contract import Contract
from bertspec.pipeline.stage import Pipeline
from bertspec.spec.load import load
from bertspec.spec.reference import fields_of
from bertspec.spec.sections import Spec
from tests.projects import SPEC, Project

GOLDEN = Path(__file__).parent / "golden"
SHA = "0123456789abcdef0123456789abcdef01234567"


def _pipeline(root: Path, lock: Lock | None = None) -> Pipeline:
    loaded = load([Path("specs")], root)
    assert not loaded.diagnostics
    if lock is None:
        lock = Lock(threads=2, packages=dict.fromkeys(packages_used(loaded.specs), "1.0"))
    return lower(loaded.specs, lock)


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_the_compiled_files_are_the_golden_ones(
    project: Project, golden: Callable[[str, Path], None]
) -> None:
    project.write_spec(_copy(SPEC) | {"name": "second", "training": {"epochs": 1}}, "second.json")
    pipeline = _pipeline(project.root)
    golden(emit_dvc(pipeline, None), GOLDEN / "dvc.yaml")
    golden(emit_params(pipeline, None), GOLDEN / "params.yaml")


def test_specs_that_differ_only_in_training_share_all_before_it(project: Project) -> None:
    alone = {s.name: replace(s, origin="") for s in _pipeline(project.root).stages}
    project.write_spec(_copy(SPEC) | {"name": "a-second", "training": {"epochs": 1}}, "a.json")
    both = {s.name: replace(s, origin="") for s in _pipeline(project.root).stages}
    assert {name: both[name] for name in alone} == alone, "nothing of another spec runs again"
    kinds = {name.removeprefix("a-second-") for name in both if name not in alone}
    assert kinds == {"train", "evaluate", "export", "report"}


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ({"tokenization": {"max_length": 32, "truncation": {"budget": 0.1}}}, {"tokenize"}),
        (
            {"tokenization": {"max_length": 32, "long_documents": {"type": "windows", "stride": 4,
                                                                   "aggregate": "max"}}},
            {"evaluate", "export"},
        ),
    ],
)  # fmt: skip
def test_what_changes_no_token_leaves_them_where_they_are(
    project: Project, change: dict[str, Any], affected: set[str]
) -> None:
    """Neither a budget nor how windows become one trains again."""
    spec = _copy(SPEC)
    if "long_documents" in change["tokenization"]:
        spec["tokenization"]["long_documents"] = {"type": "windows", "stride": 4}
    project.write_spec(spec)
    before, paths = _watched(project.root), _outputs(project.root)
    project.write_spec(spec | change)
    after = _watched(project.root)
    assert {kind for kind in before if before[kind] != after[kind]} == affected
    assert _outputs(project.root) == paths


def test_rows_are_an_input_of_train_only_where_it_needs_them(project: Project) -> None:
    """So a new column that no model reads does not train again."""

    def inputs() -> set[str]:
        (train,) = [s for s in _pipeline(project.root).stages if s.kind == "train"]
        return set(train.inputs)

    assert "prepared" not in inputs()
    project.write_spec(_copy(SPEC) | {"training": {"metric_for_best_model": "f1"}})
    assert "prepared" in inputs()


def test_what_is_measured_every_few_steps_is_drawn_by_step(project: Project) -> None:
    def axis() -> str:
        stages = load_plain(emit_dvc(_pipeline(project.root), None))["stages"]
        plots = {
            path: drawn for plot in stages["tiny-evaluate"]["plots"] for path, drawn in plot.items()
        }
        return str(plots["models/tiny/plots/validation.csv"]["x"])

    assert axis() == "epoch"
    project.write_spec(_copy(SPEC) | {"training": {"validate_every": 5}})
    assert axis() == "step"


def test_specs_that_share_tokens_need_not_share_budgets(project: Project) -> None:
    other = _copy(SPEC) | {"name": "second"}
    other["tokenization"] |= {"truncation": {"budget": 0.1}}
    project.write_spec(other, "second.json")
    pipeline = _pipeline(project.root)
    (tokenization,) = pipeline.params["tokenizations"].values()
    assert tokenization["budgets"] == {
        "second": {"truncation": {"budget": 0.1, "severity": "error"}}
    }


TEACHER: dict[str, Any] = {"teacher": {"type": "spec", "name": "large"}}

CHANGES: dict[str, Any] = {
    "name": "other", "description": "words", "data.description": "words",
    "task.labels": ["bad", "good", "fair"], "task.calibration": "temperature",
    "task.decision": {"type": "recall", "at_least": 0.9},
    "data.source": {"type": "tsv", "files": {"train": "data/reviews.csv"}},
    "data.source.files": {"train": "data/other.csv"}, "data.source.column_names": ["review", "x"],
    "data.columns.text": "body", "data.columns.text_pair": "second", "data.columns.label": "mark",
    "data.source.encoding": "latin-1", "data.columns.slice": "language",
    **{f"data.columns.{c}": "other"
       for c in ("tokens", "tags", "spans", "question", "context", "answers", "choices",
                 "negative")},
    "data.columns.text.column": ("data.columns.text", {"column": "other"}),
    "data.columns.text.value": ("data.columns.text", {"value": "other"}),
    "data.columns.text.map": ("data.columns.text", {"column": "review", "map": {"a": "b"}}),
    "data.columns.text.other": (
        "data.columns.text", {"column": "review", "map": {"a": "b"}, "other": "c"}),
    "data.columns.text.separator": ("data.columns.text", {"column": "review", "separator": ","}),
    "data.columns.text.list": ("data.columns.text", {"column": "review", "list": True}),
    "data.columns.text.number": ("data.columns.text", {"column": "review", "number": True}),
    "data.where": [{"column": "language", "equals": "en"}],
    **{f"data.where.{name}": ("data.where", [{"column": "language", name: value}])
       for name, value in (("equals", "en"), ("not_equals", "en"), ("in", ["en"]),
                           ("not_in", ["en"]), ("matches", "e."), ("is_empty", False))},
    "data.where.column": ("data.where", [{"column": "other", "equals": "en"}]),
    "data.split.stratify": "label", "data.split.tolerance": 0.1,
    "data.split": {"type": "given"}, "data.split.validation": 0.05, "data.split.test": 0.1,
    "data.split.group": "film", "data.split.salt": "x",
    **{f"data.contract.{name}{field}": severity
       for name, rule in Contract().rules()
       for field in ("", ".severity")
       for severity in ("error", "warn", "off") if severity != rule.severity},
    "data.contract.near_duplicates_across_splits.threshold": 0.9,
    "data.contract.label_support.minimum": 3, "data.contract.label_drift.bound": 0.2,
    "data.contract.empty_text.letters": True, "data.contract.long_text.characters": 10,
    "tokenization.max_length": 16, "tokenization.truncation": {"budget": 0.1},
    "tokenization.truncation.budget": 0.2,
    "tokenization.truncation.severity": ("tokenization.truncation",
                                         {"budget": 0.5, "severity": "warn"}),
    "tokenization.unknown": {"budget": "1%"}, "training.sampling": {"type": "balanced"},
    "model.base": {"type": "hub", "id": "a/b", "revision": SHA},
    "model.base.config": {"model_type": "bert", "hidden_size": 16},
    "model.base.tokenizer": {"type": "bpe", "vocab_size": 300},
    "model.base.tokenizer.vocab_size": 300, "model.base.tokenizer.lowercase": False,
    "model.base.seed": 5, "model.head.dropout": 0.2,
    "training.seed": 1, "training.epochs": 2, "training.learning_rate": 0.1,
    "training.max_steps": 5, "training.layer_decay": 0.9, "training.ema": 0.9,
    "training.validate_every": 5,
    "training.batch.accumulate": 2, "training.batch.tokens": 64, "training.batch.shards": 2,
    "training.schedule.warmup_steps": 5,
    "training.freeze": 1, "training.lora": {}, "training.lora.rank": 4, "training.lora.alpha": 4.0,
    "training.lora.dropout": 0.1, "training.lora.target_modules": ["query"],
    "training.batch.examples": 4, "training.optimizer.beta1": 0.8,
    "training.optimizer.beta2": 0.9, "training.optimizer.epsilon": 1e-6,
    "training.optimizer.weight_decay": 0.1, "training.schedule": {"type": "cosine"},
    "training.schedule.warmup_ratio": 0.2, "training.max_grad_norm": None,
    "training.label_smoothing": 0.1, "training.class_weights": "balanced",
    "training.focal_gamma": 2.0, "training.distillation": TEACHER,
    **{f"training.distillation.{name}": ("training.distillation", TEACHER | {name: value})
       for name, value in (("temperature", 3.0), ("alpha", 0.9), ("teacher", TEACHER["teacher"]))},
    "training.distillation.teacher.name": (
        "training.distillation", {"teacher": {"type": "spec", "name": "other"}}),
    "training.metric_for_best_model": "f1", "training.early_stopping": {"patience": 1},
    "training.early_stopping.patience": 3, "training.early_stopping.threshold": 0.1,
    "training.precision": "bf16", "training.seeds": [14],
    "training.execution.gradient_checkpointing": True, "training.execution.tensorboard": "runs",
    "training.execution.checkpoint_seconds": 5.0, "training.execution.processes": 2,
    "training.execution.cuda_graphs": False,
    "evaluation.metrics": ["f1"], "evaluation.require": {"f1": ">= 0.1"},
    "evaluation.intervals": None, "evaluation.intervals.resamples": 50,
    "evaluation.intervals.level": 0.9, "evaluation.intervals.seed": 1,
    "evaluation.slices": {"short": {"column": "text", "equals": "a"}},
    **{f"evaluation.slices.{name}": ("evaluation.slices", {"x": {"column": "text", name: value}})
       for name, value in (("equals", "en"), ("not_equals", "en"), ("in", ["en"]),
                           ("not_in", ["en"]), ("matches", "e."), ("is_empty", False))},
    "evaluation.slices.column": ("evaluation.slices", {"x": {"column": "text", "equals": "a"}}),
    "evaluation.baselines": False,
    "tokenization.long_documents": {"type": "windows", "stride": 8},
    "evaluation.fit.max_gap": 0.2, "evaluation.fit.min_gain": 0.2,
    "export": [{"type": "onnx"}], "export.0.tolerance": 0.1, "export.0.opset": 20,
    "export.0.quantize": "int8", "export.0.max_metric_delta": 0.01,
    "export.0.optimize": True, "export.0.calibration_rows": 64,
}  # fmt: skip
"""For each field, another value for it than it has in the spec below; where the field stands in
another form there, the path and the value of what holds it.
"""

NOT_CHANGED = {
    "bertspec": "there is one version", "extends": "tested with the loader",
    "data.name": "renames the stages", "data": "its parts are below", "task": "its parts",
    "tokenization": "its parts",
    "model": "its parts", "model.head": "its parts",
    "training": "its parts", "training.batch": "its parts", "training.optimizer": "its parts",
    "training.execution": "its parts",
    "evaluation": "its parts", "evaluation.fit": "its parts", "data.columns": "its parts",
    "data.contract": "its parts",
}  # fmt: skip

CHOSEN = (
    "(text-classification)", "(csv)", "(hash)", "(scratch)", "(wordpiece)", "(linear)", "(onnx)",
)  # fmt: skip
"""Kinds that the spec below chooses; choosing another is a change of the field itself."""


def _plain(path: str) -> str:
    """A reference path without kinds: `data.source(csv).files` is `data.source.files`."""
    path = path.replace("export(onnx)", "export.0")
    for kind in CHOSEN:
        path = path.replace(kind, "")
    return path


def _fields() -> Iterator[tuple[str, tuple[str, ...]]]:
    for field in fields_of(Spec):
        path = _plain(field.path)
        if "(" not in path and not path.endswith(".type"):
            yield path, field.affects


def set_field(spec: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    target: Any = spec
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
    if isinstance(target, list):
        target[int(last)] = value
    else:
        target[last] = value


def full_spec() -> dict[str, Any]:
    spec: dict[str, Any] = _copy(SPEC)
    spec["training"] |= {"early_stopping": {"patience": 2}, "schedule": {"type": "linear"}}
    return spec


def _watched(root: Path, lock: Lock | None = None) -> dict[str, Any]:
    """For each kind of stage, all that DVC compares by the compiled files, but what other stages
    make: values of the params, the record without its paths, and files of the user.
    """
    pipeline = _pipeline(root, lock)
    stages = load_plain(emit_dvc(pipeline, None))["stages"]
    params = load_plain(emit_params(pipeline, None))
    made = {path for stage in stages.values() for path in stage.get("outs", ())}
    made |= {path for stage in stages.values() for kind in ("metrics", "plots")
             for out in stage.get(kind, ()) for path in out}  # fmt: skip
    watched: dict[str, Any] = {}
    for name, stage in stages.items():
        values = {key.rpartition(".")[2]: _at(params, key) for key in stage["params"]}
        record = values.pop(name)
        record = {k: v for k, v in record.items() if k not in ("params", "inputs", "outputs")}
        files = [path for path in stage.get("deps", ()) if path not in made]
        watched.setdefault(record["kind"], (values, record, files))  # not of a further seed
    return watched


def _outputs(root: Path) -> dict[str, set[str]]:
    return {s.name: {o.path for o in s.outputs.values()} for s in _pipeline(root).stages}


def _at(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value[part]
    return value


@pytest.mark.parametrize(("path", "affects"), list(_fields()))
def test_a_field_changes_exactly_the_stages_that_it_says(
    project: Project, path: str, affects: tuple[str, ...]
) -> None:
    if path in NOT_CHANGED:
        return
    project.write_spec(full_spec())
    before = _watched(project.root)
    spec = full_spec()
    change = CHANGES[path]
    set_field(spec, *change) if isinstance(change, tuple) else set_field(spec, path, change)
    project.write_spec(spec)
    after = _watched(project.root)
    changed = {kind for kind in before | after if before.get(kind) != after.get(kind)}
    assert changed == set(affects)
    one, two = map(Spec.model_validate, (full_spec(), spec))
    differing = [path for path, _, _ in leaves(written_out(one), written_out(two))]
    assert differing
    assert {k for p in differing for k in affected_by(one, p) | affected_by(two, p)} == changed


def test_the_table_above_has_every_field_of_the_language() -> None:
    known = {path for path, _ in _fields()}
    assert known == set(CHANGES) | set(NOT_CHANGED)


def test_writing_out_defaults_order_and_comments_change_nothing(project: Project) -> None:
    (project.root / "specs" / "tiny.json").unlink()
    plain = yaml.safe_dump(SPEC, sort_keys=True)
    (project.root / "specs" / "tiny.yaml").write_text(plain)
    first = _pipeline(project.root)
    full: dict[str, Any] = Spec.model_validate(SPEC).model_dump(mode="json")
    text = "# a comment\n" + json.dumps(full, indent=1)
    (project.root / "specs" / "tiny.yaml").write_text(text)
    second = _pipeline(project.root)
    assert emit_dvc(first, None) == emit_dvc(second, None)
    assert emit_params(first, None) == emit_params(second, None)


def test_a_field_that_a_later_version_adds_changes_nothing_at_its_default() -> None:
    from pydantic import Field

    from bertspec.pipeline.params.train import Training

    class Later(Training):
        added: float | None = Field(default=None, json_schema_extra={"since": 2})

    assert Later().model_dump() == Training().model_dump()
    assert Later(added=0.9).model_dump() == Training().model_dump() | {"added": 0.9}
    assert extra(Later.model_fields["added"]) == {"since": 2}


def test_another_version_of_a_package_changes_the_stages_that_use_it(project: Project) -> None:
    loaded = load([Path("specs")], project.root)
    packages = dict.fromkeys(packages_used(loaded.specs), "1.0")

    def changed(package: str) -> set[str]:
        old = _watched(project.root, Lock(threads=2, packages=packages))
        new = _watched(project.root, Lock(threads=2, packages=packages | {package: "2.0"}))
        return {kind for kind in old if old[kind] != new[kind]}

    assert changed("onnxruntime") == changed("onnx-ir") == {"export"}
    assert changed("torch") == {"base", "train", "evaluate", "export"}
    assert changed("pyarrow") == {
        "fetch", "prepare", "contract", "tokenize", "train", "evaluate", "export", "report"
    }  # fmt: skip
    assert changed("numpy") == {"contract", "tokenize", "train", "evaluate", "export", "report"}
    assert changed("jinja2") == {"export", "report"}


def test_only_a_training_with_lora_depends_on_peft(project: Project) -> None:
    def users() -> set[str]:
        records = {kind: record for kind, (_, record, _) in _watched(project.root).items()}
        return {kind for kind, record in records.items() if "peft" in record["packages"]}

    assert not users()
    project.write_spec(_copy(SPEC) | {"training": {"lora": {}}})
    assert users() == {"train"}


def test_every_input_and_param_of_a_stage_is_watched_by_dvc(project: Project) -> None:
    """A runner reads its record; what stands there and not in dvc.yaml would go unnoticed."""
    pipeline = _pipeline(project.root)
    stages = load_plain(emit_dvc(pipeline, None))["stages"]
    records = load_plain(emit_params(pipeline, None))["bertspec"]["stages"]
    assert set(records) == set(stages)
    for name, record in records.items():
        assert {*record["params"].values(), f"bertspec.stages.{name}"} == {*stages[name]["params"]}
        assert set(record["inputs"].values()) <= set(stages[name].get("deps", ()))


def test_a_package_missing_in_the_lock_is_an_error_that_names_it(project: Project) -> None:
    with pytest.raises(InputError, match="pyarrow"):
        _pipeline(project.root, Lock(threads=1, packages={}))
