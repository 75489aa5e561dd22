"""Fixtures of the tests of pages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.projects import Project
from tests.ui.projects import client_of, make


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """For reading only; all of it is up to date."""
    return make(tmp_path_factory.mktemp("ui") / "project")


@pytest.fixture
def copied(fresh: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(fresh.root, tmp_path / "copy", symlinks=True))


@pytest.fixture
def pages(copied: Project) -> Iterator[TestClient]:
    with client_of(copied) as client:
        yield client
