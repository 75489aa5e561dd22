"""The specs in specs/examples, one or more a task, with the small data in data/examples."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog.source import SPLITS
from bertspec.catalog.tasks import TASKS
from bertspec.core.yaml import load_plain
from bertspec.runtime.predict import Predictor
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project

REPOSITORY = Path(__file__).parents[2]
DATA = Path("data/examples")

EXAMPLES: dict[str, dict[str, Any]] = {
    path.stem: load_plain(path.read_text(encoding="utf-8"))
    for path in sorted((REPOSITORY / "specs" / "examples").glob("*.yaml"))
}

ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "after-domain": ({"text": "No eggs, and wasps at the entrance."}, "label"),
    "choices": ({"text": "The tea was cold.", "choices": ["He drank it.", "It boiled."]}, "chosen"),
    "domain": ({"text": "The [MASK] lays her eggs."}, "fills"),
    "emotions": ({"text": "I did not expect you!"}, "labels"),
    "entities": ({"tokens": ["Ada", "Lind", "left", "Oslo", "."]}, "entities"),
    "long-reviews": ({"text": "The bread was good. " * 40}, "label"),
    "next-word": ({"text": "Peel the"}, "continuation"),
    "products": ({"text": "Two lamps for 30 euros, please."}, "entities"),
    "questions": ({"question": "Who sang?", "context": "It rained. " * 40 + "Ada sang."}, "answer"),
    "search": ({"text": "Where is my parcel?"}, "embedding"),
    "similarity": ({"text": "A dog runs.", "text_pair": "A dog is running."}, "value"),
}
"""For each example that needs no network: an input to predict, and what the answer says."""

ALWAYS = ("domain", "long-reviews", "products", "search")
"""Examples that are built without --thorough, too: what they show beside a task, cases do not."""


def first_of(name: str) -> str:
    """The example whose model an example starts from, or else itself."""
    base = EXAMPLES[name]["model"]["base"]
    return base["name"] if base["type"] == "spec" else name


def copy_data(root: Path) -> None:
    shutil.copytree(REPOSITORY / DATA, root / DATA)


def test_the_examples_are_valid_and_compile_together(tmp_path: Path) -> None:
    copy_data(tmp_path)
    shutil.copytree(REPOSITORY / "specs" / "examples", tmp_path / "specs")
    project = Project(tmp_path)
    checked = project.call("validate", "--data", "--format", "json")
    assert json.loads(checked.stdout) == []
    project.compile()
    assert {f"{name}-train" for name in EXAMPLES} <= set(project.stages())


def test_every_task_has_an_example() -> None:
    assert {spec["task"]["type"] for spec in EXAMPLES.values()} == set(TASKS)
    assert set(ASKED) == set(EXAMPLES) - {"imdb"}


def tiny(name: str) -> dict[str, Any]:
    """An example with a model of a few thousand weights that is trained for an epoch."""
    spec: dict[str, Any] = json.loads(json.dumps(EXAMPLES[name]))
    if first_of(name) == name:
        spec["model"] = SPEC["model"]
    spec["training"]["epochs"] = 1
    spec["evaluation"].pop("require", None)
    if "decision" in spec["task"]:
        spec["task"]["decision"]["at_least"] = 0.1  # of one who has learned nothing
    return spec


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            first,
            marks=[
                pytest.mark.xdist_group(f"example-{first}"),
                *(() if first in ALWAYS else (pytest.mark.thorough,)),
            ],
        )
        for first in sorted({first_of(name) for name in ASKED})
    ],
)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, list[str]]:
    """A project of an example and those that start from its model, built; and their names."""
    names = [name for name in ASKED if first_of(name) == request.param]
    project = Project(tmp_path_factory.mktemp("example"))
    copy_data(project.root)
    (project.root / "specs").mkdir()
    for name in names:
        project.write_spec(tiny(name), f"{name}.json")
    project.compile()
    for stage in project.stages():
        run_stage(stage, project.root)
    return project, names


def test_an_example_gives_all_that_it_asks_for(built: tuple[Project, list[str]]) -> None:
    project, names = built
    for name in names:
        written = project.metrics(name)
        asked = EXAMPLES[name]["evaluation"]
        for split in SPLITS:
            assert {*asked["metrics"], "loss"} <= set(written[split])
        assert set(asked.get("slices", ())) <= set(written.get("slices", ()))


def test_an_example_predicts(built: tuple[Project, list[str]]) -> None:
    project, names = built
    for name in names:
        value, said = ASKED[name]
        (answer,) = Predictor(project.root / "models" / name / "export").predict([value])
        assert said in answer


@pytest.mark.thorough
@pytest.mark.usefixtures("preloaded")
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(name, marks=pytest.mark.xdist_group(f"rebuilt-{name}"))
        for name in sorted({first_of(name) for name in ASKED})
    ],
)
def test_an_example_as_it_is_shipped_is_the_same_in_a_rebuild(first: str, tmp_path: Path) -> None:
    """With those that start from its model. The demo is that of `make rebuild-check`, and `imdb` is
    in tests/hub.
    """
    project = Project(tmp_path)
    copy_data(project.root)
    (project.root / "specs").mkdir()
    for name in ASKED:
        if first_of(name) == first:
            project.write_spec(EXAMPLES[name], f"{name}.json")
    project.compile()
    for stage in project.stages():
        project.run("bertspec", "stage", stage)  # TorchScript numbers what a process has traced
    told = json.loads(project.call("verify", "--format", "json").stdout)
    assert set(told["same"]) == set(project.stages())
    assert all(told["same"].values())
    assert told["differences"] == told["causes"] == []
