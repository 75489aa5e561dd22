"""A project that real dvc has built, and clones of it."""

import shutil
from pathlib import Path

import pytest

from bertspec.pipeline.kinds import STAGE_KINDS
from tests.projects import Project, with_onnx
from tests.stages import run_kinds


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in git and DVC, built and committed; each test works in a clone of it.

    What uses it is in the group "dvc", so that it is built once.
    """
    project = Project.create(tmp_path_factory.mktemp("dvc") / "origin")
    project.write_spec(with_onnx())
    project.init_dvc()
    project.compile()
    project.run("dvc", "config", "cache.dir", str(project.root.parent / "cache"))
    run_kinds(project, *STAGE_KINDS)  # dvc itself builds one in test_kills.py
    project.run("dvc", "commit", "--force", "--quiet")
    project.commit("build")
    return project


@pytest.fixture(scope="session")
def checked_out(repository: Project) -> Project:
    """A clone for copying only, as each of its own takes git and dvc seconds."""
    project = Project(repository.root.parent / "clone")
    repository.run("git", "clone", "--quiet", str(repository.root), str(project.root))
    project.run("dvc", "checkout")
    return project


@pytest.fixture
def clone(checked_out: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(checked_out.root, tmp_path / "clone", symlinks=True))


@pytest.fixture(scope="session")
def made(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project in git and in DVC, which has all of it in its cache. For copying only."""
    project = Project(tmp_path_factory.mktemp("faults") / "made")
    shutil.copytree(built.root, project.root, symlinks=True)
    project.init_dvc()
    project.run("dvc", "commit", "--force", "--quiet")
    project.commit("build")
    return project


@pytest.fixture
def copy(made: Project, tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(made.root, tmp_path / "copy", symlinks=True)))
