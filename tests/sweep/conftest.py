"""A committed project that was compiled and not built: no stage runs in these tests."""

import shutil
from pathlib import Path

import pytest

from bertspec.core.yaml import dump
from tests.projects import Project, with_onnx
from tests.team.locked import compile_with_made_up_lock


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """For copying only."""
    project = Project.create(tmp_path_factory.mktemp("swept") / "project")
    project.write_spec(with_onnx())
    project.init_dvc()
    compile_with_made_up_lock(project)
    project.commit("compiled")
    return project


@pytest.fixture
def tried(committed: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(committed.root, tmp_path / "project"))


def write_sweep(project: Project, name: str = "rates", **changes: object) -> None:
    """A sweep over learning rates, with other keys."""
    sweep: dict[str, object] = {
        "bertspec": 1,
        "spec": "tiny",
        "metric": "validation.loss",
        "sampler": {"type": "grid"},
        "fields": {"training.learning_rate": [1e-3, 3e-3]},
    }
    path = project.root / "sweeps" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dump(sweep | changes), encoding="utf-8")
