"""Fixtures that several areas use: an empty project, and a tiny one that trains in seconds."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.projects import Project

REPOSITORY = Path(__file__).parent.parent
SHARED = REPOSITORY.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite the golden files")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Path], None]:
    """Compare text with a committed file, or rewrite the file with --update-goldens."""

    def compare(text: str, path: Path) -> None:
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), "see pytest --update-goldens"

    return compare


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A tiny project: sixty reviews, a model of a few thousand weights made from scratch."""
    return Project.create(tmp_path / "project")


@pytest.fixture
def shared() -> Path:
    """The folder of real data, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the shared data is not here")
    return SHARED


@pytest.fixture(scope="session")
def bertspec_program() -> str:
    """The installed command, so that exit codes and imports are the real ones."""
    beside = Path(sys.executable).parent / "bertspec"
    found = str(beside) if beside.exists() else shutil.which("bertspec")
    assert found, "install the project: pip install -e ."
    subprocess.run([found, "--version"], check=True, capture_output=True)
    return found
