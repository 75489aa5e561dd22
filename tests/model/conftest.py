"""A tiny base that the tests of this area share; they copy it before they change it."""

from pathlib import Path

import pyarrow as pa
import pytest

from bertspec.runtime.torch_setup import quiet
from tests.model.models import build, prepare, scratch


@pytest.fixture(scope="session")
def prepared() -> pa.Table:
    return prepare()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, prepared: pa.Table) -> Path:
    """A base folder: BERT with 2 layers of 32, for reading only."""
    quiet()
    root = tmp_path_factory.mktemp("tiny")
    return build(scratch(), root / "base", root, prepared)
