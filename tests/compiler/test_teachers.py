"""A spec that learns from the model of another one: what is compiled, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.compiler.checks import load_checked
from bertspec.compiler.lower import lower, packages_used
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Stage
from tests.projects import SPEC, Project


def _write(project: Project, name: str, teacher: str | None = None, **changes: Any) -> None:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC)) | {"name": name} | changes
    if teacher is not None:
        spec["training"]["distillation"] = {"teacher": {"type": "spec", "name": teacher}}
    project.write_spec(spec, f"{name}.json")


def _stages(project: Project) -> list[Stage]:
    loaded = load_checked([Path("specs")], project.root)
    assert not loaded.diagnostics
    packages = dict.fromkeys(packages_used(loaded.specs), "1.0")
    return list(lower(loaded.specs, Lock(threads=1, packages=packages)).stages)


def _found(project: Project, code: str) -> list[Diagnostic]:
    return [d for d in load_checked([Path("specs")], project.root).diagnostics if d.code == code]


def test_the_trained_teacher_is_an_input_of_train_alone(project: Project) -> None:
    _write(project, "tiny", "zeta")
    _write(project, "zeta")
    own = [s for s in _stages(project) if s.name.startswith("tiny-")]
    readers = [s.kind for s in own if "models/zeta/trained" in s.inputs.values()]
    assert readers == ["train"]
    _write(project, "tiny")
    assert all("teacher" not in s.inputs for s in _stages(project))


def test_each_seed_has_the_same_teacher(project: Project) -> None:
    _write(project, "zeta", training={"seeds": [5]})
    _write(project, "tiny", "zeta", training={"seeds": [14]})
    inputs = [s.inputs["teacher"] for s in _stages(project) if "teacher" in s.inputs]
    assert inputs == ["models/zeta/trained"] * 2


def test_stages_stand_in_the_order_of_a_build(project: Project) -> None:
    """The teacher has a teacher, and its name comes last."""
    _write(project, "tiny", "zeta")
    _write(project, "zeta", "zoe")
    _write(project, "zoe")
    made: set[str] = set()
    for stage in _stages(project):
        needed = {path for path in stage.inputs.values() if path.endswith("/trained")}
        assert needed <= made, stage.name
        made |= {output.path for output in stage.outputs.values()}


def test_a_teacher_is_found_beside_the_spec_that_names_it(project: Project) -> None:
    _write(project, "tiny", "zeta")
    _write(project, "zeta")
    _write(project, "unrelated")
    loaded = load_checked([Path("specs/tiny.json")], project.root)
    assert loaded.diagnostics == ()
    assert [s.spec.name for s in loaded.specs] == ["tiny", "zeta"]


def test_a_teacher_that_is_not_there_is_told_with_the_one_that_is_meant(project: Project) -> None:
    _write(project, "tiny", "zetta")
    _write(project, "zeta")
    (found,) = _found(project, "E138")
    assert found.message == "there is no spec `zetta` to learn from, or it is not valid"
    assert "did you mean `zeta`?" in found.help
    assert found.position is not None
    assert '"zetta"' in found.position.text


def test_a_model_does_not_learn_from_itself(project: Project) -> None:
    _write(project, "tiny", "tiny")
    (found,) = _found(project, "E138")
    assert found.message == "`tiny` would learn from itself: tiny"


def test_nor_by_way_of_what_its_teacher_starts_from(project: Project) -> None:
    _write(project, "tiny", "middle")
    _write(project, "middle", model={"base": {"type": "spec", "name": "last"}})
    _write(project, "last", "tiny")
    assert [d.message for d in _found(project, "E138")] == [
        "`last` would learn from itself: tiny from middle from last",
        "`middle` would start from itself: last from tiny from middle",
        "`tiny` would learn from itself: middle from last from tiny",
    ]


def test_a_cycle_of_others_is_theirs(project: Project) -> None:
    _write(project, "tiny", "a")
    _write(project, "a", "b")
    _write(project, "b", "a")
    found = _found(project, "E138")
    assert {d.position.file for d in found if d.position} == {"specs/a.json", "specs/b.json"}


NER = {"type": "token-classification", "labels": ["PER"]}
MASKED = {"type": "masked-lm"}


@pytest.mark.parametrize(
    ("task", "of_teacher", "message"),
    [
        (SPEC["task"], SPEC["task"] | {"labels": ["good", "bad"]}, "says good, bad, and this"),
        (SPEC["task"], SPEC["task"] | {"labels": ["bad", "good", "fair"]}, "bad, good, fair"),
        (SPEC["task"], MASKED, "does masked-lm, and not text-classification"),
        (NER, NER | {"scheme": "IO"}, "says O, I-PER, and this model O, B-PER, I-PER"),
        (NER, NER | {"decoding": "free"}, None),
        (MASKED, MASKED | {"probability": 0.4, "whole_words": False}, None),
        ({"type": "causal-lm"}, {"type": "causal-lm"}, None),
        ({"type": "text-regression"}, {"type": "text-regression"}, None),
        ({"type": "text-regression"}, {"type": "text-regression", "targets": ["a", "b"]}, "a, b"),
    ],
)
def test_a_teacher_has_the_same_outputs(
    project: Project, task: dict[str, Any], of_teacher: dict[str, Any], message: str | None
) -> None:
    """What else the specs lack for these tasks is told by other rules."""
    _write(project, "tiny", "zeta", task=task)
    _write(project, "zeta", task=of_teacher)
    found = _found(project, "E147")
    assert len(found) == (message is not None)
    assert all(message in d.message for d in found if message)


@pytest.mark.parametrize("kind", ["question-answering", "multiple-choice", "sentence-embedding"])
def test_other_tasks_are_learned_from_no_teacher(project: Project, kind: str) -> None:
    _write(project, "tiny", "zeta", task={"type": kind})
    _write(project, "zeta", task={"type": kind})
    (found,) = _found(project, "E147")
    assert found.message == f"{kind} is learned from no teacher"


def test_numbers_have_no_temperature(project: Project) -> None:
    teacher = {"type": "spec", "name": "zeta"}
    for temperature, count in ((2.0, 0), (3.0, 1)):
        distillation = {"teacher": teacher, "temperature": temperature}
        training = SPEC["training"] | {"distillation": distillation}
        _write(project, "tiny", task={"type": "text-regression"}, training=training)
        _write(project, "zeta", task={"type": "text-regression"})
        assert len(_found(project, "E147")) == count
