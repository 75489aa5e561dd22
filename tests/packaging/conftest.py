"""Wheel and sdist of the working tree, built once."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.projects import Project

REPOSITORY = Path(__file__).parent.parent.parent
FILES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt")


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both. The wheel is made from the sdist."""
    source = tmp_path_factory.mktemp("source")
    for name in FILES:
        shutil.copy(REPOSITORY / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("bertspec", "schema"):
        shutil.copytree(REPOSITORY / folder, source / folder, ignore=ignored)
    for folder in ("tests", "models"):  # what must not get in
        (source / folder).mkdir()
        (source / folder / "test_x.py").touch()
    project = Project(source)
    project.run(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist")
    return source / "dist"
