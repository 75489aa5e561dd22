"""What a sweep may be about: what is wrong in its file is told where it stands."""

from typing import Any

import pytest

from bertspec.compiler.emit import compiled_params
from bertspec.compiler.lower import lower
from bertspec.core.errors import InputError
from bertspec.core.yaml import dump, load_plain
from bertspec.spec.load import load
from bertspec.sweeping.definition import read_definition
from bertspec.sweeping.space import Space
from tests.projects import Project, with_onnx
from tests.sweep.conftest import write_sweep
from tests.team.locked import compile_with_made_up_lock

RATES = {"low": 1e-5, "high": 1e-3, "log": True}


@pytest.mark.parametrize(
    ("changes", "code", "shown", "told"),
    [
        ({"metric": "test.accuracy"}, "E236", "metric: test.accuracy", "luckiest"),
        ({"metric": "accuracy"}, "E236", "metric: accuracy", "`validation.accuracy`"),
        ({"metric": "validation.recall_macro"}, "E236", "metric:", "`evaluation.metrics`"),
        (
            {"metric": "validation.f1", "pruner": {"type": "median"}}, "E236", "metric:",
            "metric_for_best_model: f1",
        ),
        ({"spec": "tinny"}, "E224", "spec: tinny", "`tiny`"),
        ({"feilds": {}}, "E010", "feilds:", "`fields`"),
        ({"sampler": {"type": "tpee", "trials": 3}}, "E012", "type: tpee", "`tpe`"),
        ({"sampler": {"type": "tpe"}}, "E011", "sampler:", "trials"),
        ({"fields": {"training.rate": [1.0]}}, "E237", "training.rate:", "did you"),
        ({"fields": {"training.epoch": [1]}}, "E237", "training.epoch:", "`training.epochs`"),
        ({"fields": {"training.schedule.warmup": [0.1]}}, "E237", "warmup:", "`training.schedule."),
        ({"fields": {"training": [{}]}}, "E237", "training:", "training.learning_rate"),
        ({"fields": {"data.split.test": [0.1]}}, "E237", "data.split.test:", "compared"),
        ({"fields": {"training.seeds": [[1]]}}, "E237", "training.seeds:", "depends on"),
        ({"fields": {"training.freeze": [None, "al"]}}, "E013", "al", "`all`"),
        ({"fields": {"training.epochs": [3, 0]}}, "E015", "- 0", "at least 1"),
        ({"fields": {"training.ema": {"low": 0.5, "high": 1.5}}}, "E237", "ema:", "`step`"),
        ({"fields": {"training.lora.rank": [4]}}, "E207", "", "peft"),
        ({"fields": {"model.head.dropout": {"low": 0, "high": 1, "step": 0.5}}}, "E015", "high: 1",
         "less than 1"),
        ({"fields": {"training.epochs": {"low": 1, "high": 4, "step": 0.5}}}, "E237", "epochs:",
         "whole numbers"),
        ({"fields": {"training.precision": {"low": 1, "high": 2, "step": 1}}}, "E237",
         "precision:", "list"),
        ({"fields": {"training.epochs": {"low": 4, "high": 2, "step": 1}}}, "E015", "low: 4",
         "less than"),
        ({"fields": {"training.learning_rate": RATES | {"step": 1e-5}}}, "E015",
         "low:", "exclude"),
        ({"fields": {"training.batch.accumulate": [1, 64]}}, "E1", "- 64", "examples"),
        ({"fields": {"training.schedule": [{"type": "cosine"}], "training.schedule.warmup_ratio":
          [0.1]}}, "E237", "warmup_ratio:", "a part of `training.schedule`"),
        ({"fields": {"tokenization.long_documents": [{"type": "windows", "stride": 4}]}},
         "E237", "type: windows", "evaluate is given `aggregate`"),
        ({"fields": {"training.metric_for_best_model": ["loss", "f1"]}}, "E237", "- f1",
         "train reads `prepared`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_its_line(
    tried: Project, changes: dict[str, Any], code: str, shown: str, told: str
) -> None:
    write_sweep(tried, **changes)
    said = tried.bertspec("sweep", "rates", code=2)
    assert f"error[{code}" in said
    assert told in said
    if shown:
        place = said.partition("--> sweeps/rates.yaml:")[2]
        assert shown in place.splitlines()[2]
    assert not (tried.root / ".bertspec/sweeps").exists()


def test_values_of_stages_that_the_commit_does_not_have(tried: Project) -> None:
    """The reverse of a window policy, and packages: of lora, a lock that has peft."""
    lock = tried.root / "bertspec.lock"
    lock.write_text(lock.read_text().replace("packages:\n", "packages:\n  peft: '1.0'\n"))
    windows = {"type": "windows", "stride": 4}
    tried.write_spec(with_onnx(tokenization={"max_length": 16, "long_documents": windows}))
    fields = {
        "tokenization.long_documents": [{"type": "windows", "stride": 2}, {"type": "truncate"}],
        "training.lora": [None, {"rank": 4}],
    }
    write_sweep(tried, fields=fields)
    with pytest.raises(InputError) as raised:
        Space(read_definition("rates", tried.root))
    assert [d.code for d in raised.value.diagnostics] == ["E237", "E237"]
    first, second = raised.value.diagnostics
    assert "no longer is given `aggregate`" in first.message
    assert "tiny-train needs `peft`" in second.message


def test_values_that_only_go_together_with_others_that_are_tried(tried: Project) -> None:
    """An accumulation of 16 is none of the spec's own 8 examples."""
    fields = {"training.batch.accumulate": [1, 16], "training.batch.examples": [8, 16]}
    write_sweep(tried, fields=fields)
    space = Space(read_definition("rates", tried.root))
    assert space.choices.keys() == fields.keys()


def test_a_sweep_that_is_not_there(tried: Project) -> None:
    write_sweep(tried)
    assert "did you mean `rates`?" in tried.bertspec("sweep", "rate", code=2)
    assert "E235" in tried.bertspec("sweep", "../sweeps/rates", code=2)


def test_the_commit_must_be_what_the_specs_say(tried: Project) -> None:
    write_sweep(tried)
    tried.write_spec(with_onnx(training={"epochs": 7}))
    assert "E239" in tried.bertspec("sweep", "rates", code=2)
    tried.bertspec("compile")
    assert "E239" in tried.bertspec("sweep", "rates", code=2)


def test_outside_of_git(project: Project) -> None:
    write_sweep(project)
    compile_with_made_up_lock(project)
    assert "E239" in project.bertspec("sweep", "rates", code=2)


FIELDS = {
    "training.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "training.schedule.warmup_ratio": [0.0, 0.2],
    "training.optimizer.beta2": [0.9],
    "training.early_stopping": [None, {"patience": 1}],
    "tokenization.max_length": [8, 16],
    "model.head.dropout": [0.2],
    "model.base.config.hidden_size": [32, 64],
}
TRIAL = {
    "training.learning_rate": 2e-4,
    "training.schedule.warmup_ratio": 0.2,
    "training.optimizer.beta2": 0.9,
    "training.early_stopping": {"patience": 1},
    "tokenization.max_length": 16,
    "model.head.dropout": 0.2,
    "model.base.config.hidden_size": 64,
}


def test_params_are_those_of_a_spec_with_the_values_under_the_keys_that_there_are(
    tried: Project,
) -> None:
    write_sweep(tried, fields=FIELDS, sampler={"type": "tpe", "trials": 3})
    present = (tried.root / "params.yaml").read_text()
    space = Space(read_definition("rates", tried.root))
    found = load_plain(space.params(TRIAL, present))
    spec = with_onnx()
    spec["training"] |= {
        "learning_rate": 2e-4,
        "schedule": {"type": "linear", "warmup_ratio": 0.2},
        "optimizer": {"type": "adamw", "beta2": 0.9},
        "early_stopping": {"patience": 1},
    }
    spec["tokenization"] = {**spec.get("tokenization", {}), "max_length": 16}
    spec["model"]["head"] = {"dropout": 0.2}
    spec["model"]["base"]["config"]["hidden_size"] = 64
    tried.write_spec(spec)
    definition = read_definition("rates", tried.root)
    wanted = compiled_params(lower(load([tried.root / "specs"], tried.root).specs, definition.lock))
    wanted = load_plain(dump(wanted))
    before = load_plain(present)
    assert found["tiny"] == wanted["tiny"] != before["tiny"]
    for group in ("bases", "tokenizations"):
        assert found[group].keys() == before[group].keys() != wanted[group].keys()
        assert [*found[group].values()] == [*wanted[group].values()]
    assert found["bertspec"] == before["bertspec"]


def test_params_at_the_values_of_the_spec_are_those_that_there_are(tried: Project) -> None:
    write_sweep(tried)
    present = (tried.root / "params.yaml").read_text()
    space = Space(read_definition("rates", tried.root))
    assert space.params({"training.learning_rate": 3e-3}, present) == present
