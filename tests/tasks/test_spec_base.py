"""A spec that starts from the model that another one has trained."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from bertspec.catalog.bases.spec import SpecBase
from bertspec.compiler.checks import load_checked
from bertspec.pipeline import layout
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project


def _copy(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    return spec | changes


def _from(base: str, **changes: Any) -> dict[str, Any]:
    return _copy(model={"base": {"type": "spec", "name": base}}, **changes)


def test_the_folder_is_the_one_that_train_writes() -> None:
    assert SpecBase(type="spec", name="domain").trained == layout.trained("domain")


def test_a_domain_model_is_trained_first_and_its_encoder_is_where_the_task_starts(
    project: Project,
) -> None:
    domain = _copy(name="domain", task={"type": "masked-lm"}, export=[])
    del domain["data"]["columns"]["label"]
    domain["data"]["name"] = "texts"
    domain["evaluation"] = {"metrics": ["perplexity"]}
    domain["training"]["epochs"] = 1
    project.write_spec(domain, "domain.json")
    tuned = _from("domain", training=SPEC["training"] | {"epochs": 1, "learning_rate": 1e-12})
    project.write_spec(tuned)
    project.compile()
    stages = project.stages()
    assert stages.index("domain-train") < stages.index(_base_stage(project))
    for name in stages:
        run_stage(name, project.root)
    first = load_file(project.root / "models/domain/trained/model.safetensors")
    second = load_file(project.root / "models/tiny/trained/model.safetensors")
    shared = [name for name in second if name in first]
    assert any("attention" in name for name in shared)
    for name in shared:
        assert (first[name] - second[name]).abs().max() < 1e-6
    config = json.loads((project.root / "models/tiny/trained/config.json").read_text())
    assert config["id2label"] == {"0": "bad", "1": "good"}


def test_the_head_of_another_task_is_not_taken_over(project: Project) -> None:
    first = _copy(name="first", export=[])
    project.write_spec(first, "first.json")
    turned = SPEC["task"] | {"labels": ["good", "bad"]}
    project.write_spec(_from("first", task=turned, export=[]))
    project.compile()
    for name in project.stages():
        if not name.endswith(("-evaluate", "-report")) and name != "tiny-train":
            run_stage(name, project.root)
    (base,) = (project.root / "models/bases").glob("first-*/model.safetensors")
    names = set(load_file(base))
    assert all(name.startswith("bert.") for name in names)
    assert names < set(load_file(project.root / "models/first/trained/model.safetensors"))


def _base_stage(project: Project) -> str:
    (name,) = [s for s in project.stages() if s.endswith("-base") and s.startswith("domain-")]
    return name


def test_dvc_orders_the_stages_and_rebuilds_only_what_follows(project: Project) -> None:
    project.write_spec(_copy(name="first", export=[]), "first.json")
    project.write_spec(_from("first", export=[]))
    project.compile()
    project.init_dvc()
    graph = project.run("dvc", "dag", "--dot").stdout
    assert '"first-train" -> ' in graph
    assert f'"first-train" -> "{_first_base(project)}"' in graph


def _first_base(project: Project) -> str:
    (name,) = [s for s in project.stages() if s.endswith("-base") and s.startswith("first-")]
    return name


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ({"tiny": "frist", "first": None}, ["no spec `frist`", "`first`"]),
        ({"tiny": "tiny"}, ["`tiny` would start from itself"]),
        ({"tiny": "b", "b": "tiny"}, ["start from itself", "tiny from b"]),
    ],
)
def test_a_base_that_is_not_there_is_told(
    project: Project, specs: dict[str, str | None], words: list[str]
) -> None:
    for name, base in specs.items():
        spec = _copy(name=name) if base is None else _from(base, name=name)
        project.write_spec(spec, f"{name}.json")
    found = load_checked([Path("specs")], project.root).diagnostics
    told = [d for d in found if d.code == "E138"]
    assert told
    assert all(word in f"{told[0].message} {told[0].help}" for word in words), told
    assert told[0].position is not None
