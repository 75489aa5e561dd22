"""What compile writes: golden files, what rebuilds for each field, and what of the user's stays."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertspec.compiler.emit import emit_dvc, emit_params
from bertspec.compiler.lower import lower, packages_used
from bertspec.core.errors import InputError
from bertspec.core.model import extra
from bertspec.pipeline.lock import Lock
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
    alone = [s.name for s in _pipeline(project.root).stages]
    project.write_spec(_copy(SPEC) | {"name": "second", "training": {"epochs": 1}}, "second.json")
    both = [s.name for s in _pipeline(project.root).stages]
    added = sorted(set(both) - set(alone))
    assert added == ["second-evaluate", "second-export", "second-report", "second-train"]
    assert set(alone) <= set(both), "adding a spec renames no stage"


CHANGES: dict[str, Any] = {
    "name": "other", "description": "words", "data.description": "words",
    "task.labels": ["bad", "good", "fair"],
    "data.source": {"type": "tsv", "files": {"train": "data/reviews.csv"}},
    "data.source.files": {"train": "data/other.csv"}, "data.source.column_names": ["review", "x"],
    "data.columns.text": "body", "data.columns.text_pair": "second", "data.columns.label": "mark",
    "data.split": {"type": "given"}, "data.split.validation": 0.05, "data.split.test": 0.1,
    "data.split.group": "film", "data.split.salt": "x",
    "tokenization.max_length": 16,
    "model.base": {"type": "hub", "id": "a/b", "revision": SHA},
    "model.base.config": {"model_type": "bert", "hidden_size": 16},
    "model.base.tokenizer.vocab_size": 300, "model.base.tokenizer.lowercase": False,
    "model.base.seed": 5, "model.head.dropout": 0.2,
    "training.seed": 1, "training.epochs": 2, "training.learning_rate": 0.1,
    "training.batch.examples": 4, "training.optimizer.beta1": 0.8,
    "training.optimizer.beta2": 0.9, "training.optimizer.epsilon": 1e-6,
    "training.optimizer.weight_decay": 0.1, "training.schedule": {"type": "cosine"},
    "training.schedule.warmup_ratio": 0.2, "training.max_grad_norm": None,
    "training.label_smoothing": 0.1, "training.class_weights": "balanced",
    "training.metric_for_best_model": "f1", "training.early_stopping": {"patience": 1},
    "training.early_stopping.patience": 3, "training.early_stopping.threshold": 0.1,
    "training.precision": "bf16",
    "evaluation.metrics": ["f1"], "evaluation.require": {"f1": ">= 0.1"},
    "evaluation.fit.max_gap": 0.2, "evaluation.fit.min_gain": 0.2,
    "export": [{"type": "onnx"}], "export.0.tolerance": 0.1, "export.0.opset": 20,
}  # fmt: skip
"""For each field, another value for it than it has in the spec below."""

NOT_CHANGED = {
    "bertspec": "there is one version", "extends": "tested with the loader",
    "data.name": "renames the stages", "data": "its parts are below", "task": "its parts",
    "tokenization": "its parts", "tokenization.long_documents": "one kind so far",
    "model": "its parts", "model.head": "its parts", "model.base.tokenizer": "its parts",
    "training": "its parts", "training.batch": "its parts", "training.optimizer": "its parts",
    "evaluation": "its parts", "evaluation.fit": "its parts", "data.columns": "its parts",
}  # fmt: skip

OTHER_KINDS = ("(hub)", "(tsv)", "(jsonl)", "(local)", "(package)", "(given)", "(cosine)",
               "(constant)", "(torchscript)")  # fmt: skip
"""Kinds that the spec below does not choose; choosing them is a change of the field itself."""


def _plain(path: str) -> str:
    """A reference path without kinds: `data.source(csv).files` is `data.source.files`."""
    for kind in ("(csv)", "(hash)", "(scratch)", "(linear)"):
        path = path.replace(kind, "")
    return path.replace("export(onnx)", "export.0")


def _fields() -> Iterator[tuple[str, tuple[str, ...]]]:
    for field in fields_of(Spec):
        path = _plain(field.path)
        if not any(k in path for k in OTHER_KINDS) and not path.endswith(".type"):
            yield path, field.affects


def _set(spec: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    target: Any = spec
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
    if isinstance(target, list):
        target[int(last)] = value
    else:
        target[last] = value


def _full() -> dict[str, Any]:
    spec: dict[str, Any] = _copy(SPEC)
    spec["training"] |= {"early_stopping": {"patience": 2}, "schedule": {"type": "linear"}}
    return spec


def _fingerprints(project: Project, spec: dict[str, Any]) -> dict[str, str]:
    project.write_spec(spec)
    return {stage.kind: stage.fingerprint for stage in _pipeline(project.root).stages}


@pytest.mark.parametrize(("path", "affects"), list(_fields()))
def test_a_field_changes_exactly_the_stages_that_it_says(
    project: Project, path: str, affects: tuple[str, ...]
) -> None:
    if path in NOT_CHANGED:
        return
    before = _fingerprints(project, _full())
    spec = _full()
    _set(spec, path, CHANGES[path])
    after = _fingerprints(project, spec)
    changed = {kind for kind in before if before[kind] != after[kind]}
    assert changed == set(affects)


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
        ema: float | None = Field(default=None, json_schema_extra={"since": 2})

    assert Later().model_dump() == Training().model_dump()
    assert Later(ema=0.9).model_dump() == Training().model_dump() | {"ema": 0.9}
    assert extra(Later.model_fields["ema"]) == {"since": 2}


def test_another_version_of_a_package_changes_the_stages_that_use_it(project: Project) -> None:
    loaded = load([Path("specs")], project.root)
    packages = dict.fromkeys(packages_used(loaded.specs), "1.0")

    def changed(package: str) -> set[str]:
        old = _pipeline(project.root, Lock(threads=2, packages=packages))
        new = _pipeline(project.root, Lock(threads=2, packages=packages | {package: "2.0"}))
        pairs = zip(old.stages, new.stages, strict=True)
        return {a.kind for a, b in pairs if a.fingerprint != b.fingerprint}

    assert changed("onnxruntime") == {"export"}
    assert changed("torch") == {"base", "train", "evaluate", "export"}
    assert changed("pyarrow") == {"fetch", "prepare", "tokenize", "evaluate"}


def test_a_package_missing_in_the_lock_is_an_error_that_names_it(project: Project) -> None:
    with pytest.raises(InputError, match="pyarrow"):
        _pipeline(project.root, Lock(threads=1, packages={}))


MINE = """\
# my pipeline
vars: []
stages:
    # counts words
    count:
        cmd: wc -w data/reviews.csv   # quick
        deps: [data/reviews.csv]

    # and this
    other:
        cmd: ls
artifacts:
  a: {path: x}
"""


def test_stages_of_the_user_stay_to_the_byte(project: Project) -> None:
    pipeline = _pipeline(project.root)
    compiled = emit_dvc(pipeline, MINE)
    assert emit_dvc(pipeline, compiled) == compiled
    assert emit_dvc(Pipeline((), {}), compiled) == MINE, "and ours go when their spec is gone"
    stages = yaml.safe_load(compiled)["stages"]
    assert set(stages) == {"count", "other", *(s.name for s in pipeline.stages)}


def test_params_of_the_user_stay_to_the_byte(project: Project) -> None:
    pipeline = _pipeline(project.root)
    mine = "# mine\nlimit: 3 # rows\n\n# more\nlist:\n- 1\n"
    compiled = emit_params(pipeline, mine)
    assert compiled.endswith(mine)
    assert emit_params(pipeline, compiled) == compiled


@pytest.mark.parametrize("text", ["stages: [", "stages: {a: {cmd: ls}}", "- 1"])
def test_a_file_that_cannot_be_kept_is_not_overwritten(project: Project, text: str) -> None:
    with pytest.raises(InputError) as caught:
        emit_dvc(_pipeline(project.root), text)
    assert caught.value.diagnostics[0].code == "E209"


def test_names_of_the_users_are_not_taken(project: Project) -> None:
    pipeline = _pipeline(project.root)
    for emit, text in (
        (emit_dvc, "stages:\n  tiny-train:\n    cmd: ls\n"),
        (emit_params, "tiny: 1\n"),
    ):
        with pytest.raises(InputError) as caught:
            emit(pipeline, text)
        assert caught.value.diagnostics[0].code == "E210"
