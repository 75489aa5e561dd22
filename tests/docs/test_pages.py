"""Pages that show a terminal are run from top to bottom, in the order in which one reads them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.console import is_like, run_page
from tests.projects import Project, environment

DOCS = Path(__file__).parent.parent.parent / "docs"

PAGES = ("tutorial.md", "experiments.md")
"""Each goes on in the project of the one before."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reader")


@pytest.mark.e2e
@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_happens(
    place: Path, page: str, golden: Callable[[str, Path], None]
) -> None:
    folder = place if page == PAGES[0] else place / "restaurants"
    golden(run_page(DOCS / page, folder, environment() | {"COLUMNS": "100"}), DOCS / page)


def test_every_page_with_a_terminal_is_run() -> None:
    shown = {p.name for p in DOCS.glob("*.md") if "```console" in p.read_text(encoding="utf-8")}
    assert shown == set(PAGES)


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
    project = Project(DOCS.parent)
    project.run(
        sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)
    )
    assert "<code>bertspec compare</code>" in (tmp_path / "tutorial/index.html").read_text(
        encoding="utf-8"
    )
