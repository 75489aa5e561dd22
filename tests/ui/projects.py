"""A project with a history for the pages: two specs that share data, seven commits, all fresh."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from bertspec.ui.app import make_app
from tests.plan.ready import training, write_outputs
from tests.projects import Project

COMMITS = 5
"""Those that changed metrics before the last one."""

SLOWER = 0.001
"""The learning rate of the spec `slow`."""


def metrics(step: int) -> dict[str, Any]:
    """As evaluate writes them; they rise with each step."""
    values = {"accuracy": 0.6 + 0.05 * step, "f1": 0.55 + 0.06 * step, "loss": 0.9 - 0.1 * step}
    return {
        "train": {name: value + 0.05 for name, value in values.items()},
        "validation": {name: value + 0.02 for name, value in values.items()},
        "test": values,
        "fit": {"verdict": "good fit", "evidence": "the gap is small"},
    }


def measure(project: Project, step: int, name: str = "tiny") -> None:
    file = project.root / "models" / name / "metrics.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(metrics(step)))


def make(root: Path) -> Project:
    """Nothing is trained: DVC takes what is written here for the outputs of a run."""
    project = Project.create(root)
    project.init_dvc()
    project.write_spec({**training(learning_rate=SLOWER), "name": "slow"}, "slow.json")
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    project.bertspec("compile")
    for step in range(COMMITS):
        measure(project, step)
        project.commit(f"step {step} <b>&")
    project.run("git", "tag", "before")
    project.write_spec({**training(epochs=12), "description": "A tiny model."})
    project.bertspec("compile")
    write_outputs(project)
    measure(project, COMMITS)
    measure(project, 2, "slow")
    project.run("dvc", "commit", "--force", "--quiet")
    project.commit("built")
    return project


def edit(project: Project, name: str, /, **changes: Any) -> None:
    """Change keys of a spec's file."""
    file = project.root / "specs" / name
    file.write_text(json.dumps(json.loads(file.read_text()) | changes, indent=2))


def client_of(project: Project) -> TestClient:
    return TestClient(make_app(project.root), base_url="http://127.0.0.1")


def text_of(html: str) -> str:
    """What a page says, with one space for each run of white space."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", html)).split())


def cards(html: str) -> dict[str, str]:
    """What the first page says of each spec, or of each file that is not valid."""
    found = re.findall(r"<article.*?</article>", html, re.DOTALL)
    said = [text_of(each) for each in found]
    return {each.split()[0]: each for each in said}


def stage_states(html: str) -> dict[str, str]:
    """What the picture of a spec says of each stage."""
    return dict(re.findall(r"<title>([\w-]+): ([\w ]+)</title>", html))
