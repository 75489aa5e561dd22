"""The code of every page is run from top to bottom, in a project like that of the tutorial."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.blocks import REPOSITORY, RUN, blocks, pages
from tests.docs.console import is_like, run_page
from tests.projects import Project, environment

TUTORIAL = REPOSITORY / "docs" / "tutorial.md"

OTHERS = [
    pytest.param(page, id=page.name)
    for page in pages()
    if page != TUTORIAL
    and any(b.language in RUN and not b.mark for b in blocks(page.read_text(encoding="utf-8")))
]


@dataclass(frozen=True)
class Reader:
    """Who has read the tutorial: what it really printed, and the project that it has made."""

    said: str
    project: Path


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    place = tmp_path_factory.mktemp("reader")
    return Reader(_run(TUTORIAL, place), place / "restaurants")


@pytest.mark.e2e
@pytest.mark.thorough
def test_the_tutorial_shows_what_happens(
    reader: Reader, golden: Callable[[str, Path], None]
) -> None:
    golden(reader.said, TUTORIAL)


@pytest.mark.e2e
@pytest.mark.thorough
@pytest.mark.parametrize("page", OTHERS)
def test_a_page_shows_what_happens(
    reader: Reader, page: Path, tmp_path: Path, golden: Callable[[str, Path], None]
) -> None:
    """Each begins with the project as the tutorial leaves it."""
    folder = tmp_path / "restaurants"
    shutil.copytree(reader.project, folder, symlinks=True)
    golden(_run(page, folder), page)


def _run(page: Path, folder: Path) -> str:
    return run_page(page, folder, environment() | {"COLUMNS": "100"})


@pytest.mark.parametrize(
    ("expected", "found", "alike"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a\n...\nc", "a\nb\nb\nc", True),
        ("a\n...", "a", True),
        ("a\n...\nc", "a\nb", False),
        ("accuracy 0.71", "accuracy 0.72", True),
        ("accuracy 0.71", "accuracy 0.81", False),
        ("12 rows", "13 rows", False),
        ("took ... s", "took 3.1 s", True),
        ("a1b2c3d  x", "deadb33 x", True),
        ("0.6931471", "0.7931471", False),
        ("rate 0.0002", "rate 0.0020", False),
    ],
)
def test_what_counts_as_the_same(expected: str, found: str, alike: bool) -> None:
    assert is_like(tuple(expected.splitlines()), tuple(found.splitlines())) is alike


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Every page is in it, and every link and anchor leads somewhere."""
    project = Project(REPOSITORY)
    project.run(
        sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)
    )
    assert "<code>bertspec compare</code>" in (tmp_path / "tutorial/index.html").read_text(
        encoding="utf-8"
    )
