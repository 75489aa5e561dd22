"""Sizes of a new model, and the number of epochs, are told before anything is built."""

import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog.bases.scratch import SIZES
from bertspec.compiler.checks import load_checked
from tests.projects import SPEC, Project


@pytest.mark.parametrize("value", [0, -4, 1.5, True, "many"])
@pytest.mark.parametrize("key", SIZES)
def test_a_size_that_is_none_is_told_at_its_place(project: Project, key: str, value: Any) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["model"]["base"]["config"][key] = value
    project.write_spec(spec)
    lines = (project.root / "specs" / "tiny.json").read_text().splitlines()
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert found.code == "E112"
    assert found.position is not None
    assert f'"{key}"' in lines[found.position.line - 1]
    assert key in found.message
    assert found.help


def test_a_size_that_is_not_given_is_the_architectures_own(project: Project) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["model"]["base"]["config"] = {"model_type": "bert", "max_position_embeddings": 64}
    project.write_spec(spec)
    assert load_checked([Path("specs")], project.root).diagnostics == ()


def test_epochs_have_a_bound(project: Project) -> None:
    spec = json.loads(json.dumps(SPEC)) | {"training": {"epochs": 10_001}}
    project.write_spec(spec)
    (found,) = load_checked([Path("specs")], project.root).diagnostics
    assert "10000" in found.message + found.help
