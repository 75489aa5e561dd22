"""`bertspec adopt`: what it writes is what compiles to the params of the experiment."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bertspec.adopting.adopt import adopt
from bertspec.compiler.checks import load_checked
from bertspec.compiler.emit import compiled_params
from bertspec.compiler.lower import lower
from bertspec.core import files
from bertspec.core.diagnostics import Severity
from bertspec.core.yaml import dump, load_plain
from tests.compiler.test_compile import CHANGES, full_spec, set_field
from tests.projects import Project
from tests.team.locked import compile_with_made_up_lock, made_up_lock

PARENT = """\
bertspec: 1
name: parent
task: {type: text-classification, labels: [bad, good]}
data: reviews
tokenization: {max_length: 32}
model:
  base:
    type: scratch
    config: {model_type: bert, hidden_size: 32, num_attention_heads: 2}
    tokenizer: {type: wordpiece, vocab_size: 200}
training:
  epochs:   10      # enough
  learning_rate: 3e-3

# What is measured, and what must hold.
evaluation: {metrics: [accuracy, "f1"]}
export:
- {type: onnx}   # for the service
- {type: torchscript}
"""
CHILD = """\
bertspec: 1
name: child
extends: parent.yaml

training:
  batch: { examples: 8 }
  # learning_rate: 1e-3 was worse

description: the small one
"""
DATA = """\
bertspec: 1
source: {type: csv, files: {train: data/reviews.csv}}
columns: {text: review, label: verdict}
split: {type: hash, validation: 0.2, test: 0.3}  # by content
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A spec, one that extends it, and their data set; compiled. For copying only."""
    project = Project.create(tmp_path_factory.mktemp("family") / "project")
    (project.root / "specs/tiny.json").unlink()
    for name, text in (("parent", PARENT), ("child", CHILD), ("datasets/reviews", DATA)):
        path = project.root / f"specs/{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return compile_with_made_up_lock(project)


@pytest.fixture
def family(made: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(made.root, tmp_path / "project"))


def _params(project: Project) -> Any:
    return load_plain((project.root / "params.yaml").read_text())


def _experiment(project: Project, **values: Any) -> None:
    """Set dotted keys of params.yaml as `dvc exp run --set-param` does."""
    params = _params(project)
    for key, value in values.items():
        *above, last = key.split(".")
        inside = params
        for part in above:
            inside = inside.setdefault(part, {})
        inside[last] = json.loads(json.dumps(value))  # an alias would be another text
    (project.root / "params.yaml").write_text(dump(params))


def _texts(project: Project) -> dict[str, str]:
    root = project.root
    files = [*root.glob("specs/**/*.*"), root / "params.yaml", root / "dvc.yaml"]
    return {str(file.relative_to(root)): file.read_bytes().decode() for file in files}


def _new_lines(before: str, after: str) -> list[str]:
    """Lines that only the second text has, each in the place of one of the first."""
    old, new = before.splitlines(), after.splitlines()
    return [line for was, line in zip(old, new, strict=True) if line != was]


def test_the_value_of_an_experiment_is_written_in_its_place(family: Project) -> None:
    before = _texts(family)
    _experiment(family, **{"parent.training.epochs": 12, "child.training.epochs": 12})
    said = family.bertspec("adopt")
    after = _texts(family)
    assert _new_lines(before["specs/parent.yaml"], after["specs/parent.yaml"]) == [
        "  epochs:   12      # enough"
    ]
    assert {f for f in after if after[f] != before[f]} == {"specs/parent.yaml", "params.yaml"}
    assert "specs/parent.yaml: training.epochs 10 -> 12" in said
    family.bertspec("compile", "--check")
    assert "nothing to adopt" in family.bertspec("adopt")


def test_an_inherited_value_is_set_in_the_child_below_its_section(family: Project) -> None:
    _experiment(family, **{"child.training.learning_rate": 2e-5})
    family.bertspec("adopt")
    assert (family.root / "specs/parent.yaml").read_text() == PARENT
    assert (family.root / "specs/child.yaml").read_text() == CHILD.replace(
        "8 }\n", "8 }\n  learning_rate: 2.0e-05\n"
    )
    family.bertspec("compile", "--check")


def test_a_section_that_is_not_written_gets_the_type_that_it_has(family: Project) -> None:
    schedule = {"training.schedule.warmup_ratio": 0.2, "training.optimizer.beta1": 0.8}
    values = {
        f"{spec}.{key}": value for spec in ("parent", "child") for key, value in schedule.items()
    }
    _experiment(family, **values, **{"parent.training.optimizer.beta2": 0.9})
    family.bertspec("adopt")
    parent = load_plain((family.root / "specs/parent.yaml").read_text())["training"]
    assert parent["schedule"] == {"type": "linear", "warmup_ratio": 0.2}
    assert parent["optimizer"] == {"type": "adamw", "beta1": 0.8, "beta2": 0.9}
    family.bertspec("compile", "--check")


def test_who_inherits_a_value_that_is_adopted_stays_what_it_was(family: Project) -> None:
    _experiment(family, **{"parent.training.learning_rate": 2e-5})
    said = family.bertspec("adopt")
    assert "specs/child.yaml: training.learning_rate not set -> 0.003" in said
    assert "learning_rate: 2.0e-05\n" in (family.root / "specs/parent.yaml").read_text()
    assert "learning_rate: 0.003\n" in (family.root / "specs/child.yaml").read_text()
    family.bertspec("compile", "--check")
    assert _params(family)["child"]["training"]["learning_rate"] == 0.003


def test_a_field_of_a_data_set_goes_to_its_file(family: Project) -> None:
    _experiment(family, **{"datasets.reviews.split.test": 0.25, "datasets.reviews.split.salt": "x"})
    family.bertspec("adopt", "child")
    assert (family.root / "specs/datasets/reviews.yaml").read_text() == DATA.replace(
        "test: 0.3}", "test: 0.25, salt: x}"
    )
    family.bertspec("compile", "--check")


def test_what_specs_share_is_set_in_each_and_has_another_name(family: Project) -> None:
    (name,) = _params(family)["tokenizations"]
    _experiment(family, **{f"tokenizations.{name}.tokenization.max_length": 16})
    said = family.bertspec("adopt")
    assert "max_length: 16}" in (family.root / "specs/parent.yaml").read_text()
    assert (family.root / "specs/child.yaml").read_text() == CHILD, "it inherits it"
    (other,) = _params(family)["tokenizations"]
    assert other != name
    assert f"{other}-tokenize" in said


def test_of_one_spec_alone_the_rest_is_put_back_and_told(family: Project) -> None:
    _experiment(family, **{"parent.training.epochs": 3, "child.training.learning_rate": 0.1})
    said = family.bertspec("adopt", "child")
    assert "put back: parent.training.epochs, 3 in params.yaml and 10" in said
    assert (family.root / "specs/parent.yaml").read_text() == PARENT
    assert _params(family)["parent"]["training"]["epochs"] == 10
    assert _params(family)["child"]["training"]["learning_rate"] == 0.1
    assert "E224" in family.bertspec("adopt", "chld", code=2)


def test_lists_keep_the_items_that_stay(family: Project) -> None:
    exports = _params(family)["parent"]["export"]
    changed = [exports[0] | {"tolerance": 0.01}, exports[1]]
    _experiment(family, **{"parent.export": changed, "child.export": exports[1:]})
    family.bertspec("adopt")
    parent = (family.root / "specs/parent.yaml").read_text()
    assert "- {type: onnx, tolerance: 0.01}   # for the service\n" in parent
    assert load_plain((family.root / "specs/child.yaml").read_text())["export"] == [
        {"type": "torchscript"}
    ]
    family.bertspec("compile", "--check")


def test_a_dry_run_writes_nothing_and_shows_the_difference(family: Project) -> None:
    _experiment(family, **{"child.training.learning_rate": 2e-5})
    before = _texts(family)
    result = family.call("adopt", "--dry-run")
    assert "+  learning_rate: 2.0e-05\n" in result.stdout
    assert _texts(family) == before
    told = json.loads(family.call("adopt", "--dry-run", "--format", "json").stdout)
    assert told["changes"] == [
        {"file": "specs/child.yaml", "field": "training.learning_rate", "old": None, "new": 2e-5}
    ]


def _without_a_key(project: Project) -> None:
    params = _params(project)
    del params["child"]
    (project.root / "params.yaml").write_text(dump(params))


@pytest.mark.parametrize(
    ("values", "code", "named"),
    [
        ({"bertspec.stages.child-train.version": 99}, "E222", "child-train.version"),
        ({"bertspec.stages.child-train.packages.torch": "9.9"}, "E222", "packages.torch"),
        ({"child.training.precision": "fp32"}, "E223", "child.training.precision"),
        ({"child.mine": 1}, "E222", "child.mine"),
        ({"child.task.labels": ["good", "bad"]}, "E226", "child.model.task.labels"),
        ({"child.training.epochs": "many"}, "E226", "specs/child.yaml"),
        ({"child.training.lora": {"rank": 4}}, "E226", "peft"),
    ],
)
def test_what_cannot_be_adopted_is_named_and_nothing_is_written(
    family: Project, values: Mapping[str, Any], code: str, named: str
) -> None:
    if code == "E223":
        text = CHILD.replace("training:\n", "training:\n  precision: auto\n")
        (family.root / "specs/child.yaml").write_text(text)
        lock = family.root / "bertspec.lock"
        lock.write_text(lock.read_text() + "precision: bf16\n")
        family.bertspec("compile")
    _experiment(family, **{"parent.training.epochs": 3, **values})
    before = _texts(family)
    said = family.bertspec("adopt", code=2)
    assert code in said
    assert named in said
    assert _texts(family) == before


def test_params_of_other_specs_are_told(family: Project) -> None:
    _without_a_key(family)
    assert "E221" in family.bertspec("adopt", code=2)


def test_an_alias_is_replaced_and_what_is_behind_one_is_told(family: Project) -> None:
    text = CHILD.replace(
        "{ examples: 8 }", "&batch {examples: 8}\n  ema: &half 0.5\n  layer_decay: *half"
    )
    (family.root / "specs/child.yaml").write_text(text)
    family.bertspec("compile")
    _experiment(family, **{"child.training.layer_decay": 0.9})
    family.bertspec("adopt")
    assert "ema: &half 0.5\n  layer_decay: 0.9\n" in (family.root / "specs/child.yaml").read_text()
    text = text.replace(
        "layer_decay: *half",
        "layer_decay: *half\nevaluation: {slices: {a: &s {column: text, equals: a}, b: *s}}",
    )
    (family.root / "specs/child.yaml").write_text(text)
    family.bertspec("compile")
    _experiment(family, **{"child.evaluation.slices.b.equals": "b"})
    assert "E225" in family.bertspec("adopt", code=2)
    assert (family.root / "specs/child.yaml").read_text() == text


def _of_one_spec(params: Any, old: Any, new: Any) -> Any:
    """Params with the values of `new`, under the names of `old`: there is one of each."""
    values = dict(params)
    for group in ("bases", "datasets", "tokenizations"):
        (name,), (value,) = old[group], new[group].values()
        values[group] = {name: value}
    values["tiny"] = new["tiny"]
    execution = new["bertspec"].get("execution")
    return values | {"bertspec": old["bertspec"] | ({"execution": execution} if execution else {})}


def test_every_field_of_the_language_can_be_adopted(project: Project) -> None:
    """Each field's other value, as a spec with it compiles; adopting must lead to that spec."""
    lock = made_up_lock(project)
    lock = lock.model_copy(update={"packages": lock.packages | {"peft": "1.0"}})
    (project.root / "bertspec.lock").write_text(lock.to_text())

    def compiled(spec: Any) -> Any:
        project.write_spec(spec)
        loaded = load_checked([Path("specs")], project.root)
        if any(d.severity is Severity.ERROR for d in loaded.diagnostics):
            return None
        return compiled_params(lower(loaded.specs, lock))

    old = compiled(full_spec())
    adopted = []
    for path, change in list(CHANGES.items())[::4]:  # each takes a tenth of a second
        spec = full_spec()
        set_field(spec, *change) if isinstance(change, tuple) else set_field(spec, path, change)
        new = compiled(spec)
        if new is None or "tiny" not in new:
            continue
        project.write_spec(full_spec())
        experiment = _of_one_spec(old, old, new)
        (project.root / "params.yaml").write_text(dump(experiment))
        found = adopt(project.root, (), None)
        if experiment == old:
            assert found.pipeline is None
            continue
        assert found.pipeline is not None
        assert compiled_params(found.pipeline) == new, path
        adopted.append(path)
    assert len(adopted) > 20


def test_byte_order_marks_and_line_ends_stay(family: Project) -> None:
    child = family.root / "specs/child.yaml"
    text = "\ufeff" + CHILD.replace("\n", "\r\n")
    child.write_bytes(text.encode())
    _experiment(family, **{"child.training.learning_rate": 2e-5})
    family.bertspec("adopt")
    assert child.read_bytes().decode() == text.replace(
        "8 }\r\n", "8 }\r\n  learning_rate: 2.0e-05\r\n"
    )


def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(
    family: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _experiment(family, **{"child.training.epochs": 3, "parent.training.epochs": 4})
    before = _texts(family)
    written: list[Path] = []
    write = files.write_atomic

    def fails(path: Path, content: bytes) -> None:
        if len(written) == 1:
            written.append(path)
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, content)

    monkeypatch.setattr(files, "write_atomic", fails)
    assert "E503" in family.bertspec("adopt", code=3)
    assert len(written) > 1
    assert _texts(family) == before


def _as_dvc_keeps_it(project: Project, name: str, **values: Any) -> None:
    """Commit params.yaml with other values as an experiment, and put it back."""
    project.run("git", "init", "--quiet")
    project.commit("compiled")
    head = project.run("git", "rev-parse", "HEAD").stdout.strip()
    _experiment(project, **values)
    project.run("git", "commit", "--quiet", "--message", "an experiment", "params.yaml")
    project.run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    project.run("git", "reset", "--quiet", "--hard", head)


def test_what_params_have_is_told_where_values_of_an_experiment_are_taken(family: Project) -> None:
    _as_dvc_keeps_it(family, "good", **{"parent.training.epochs": 5, "child.training.epochs": 5})
    _experiment(family, **{"parent.training.epochs": 5, "child.training.learning_rate": 2e-5})
    said = family.bertspec("adopt", "--experiment", "good")
    assert "specs/parent.yaml: training.epochs" in said
    (line,) = [line for line in said.splitlines() if "is put back" in line]
    assert "child.training.learning_rate, 2e-05 in params.yaml" in line
    assert _params(family)["parent"]["training"]["epochs"] == 5
    assert "`good` has what the specs say" in family.bertspec("adopt", "--experiment", "good")


def test_an_experiment_is_named_where_a_spec_may_not_have_its_values(family: Project) -> None:
    _as_dvc_keeps_it(family, "bad", **{"child.training.epochs": 0})
    before = _texts(family)
    said = family.bertspec("adopt", "--experiment", "bad", code=2)
    assert "params.yaml of `bad` holds values" in said
    assert _texts(family) == before
