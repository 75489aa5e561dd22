"""Wheel and sdist: what is in them, and that the wheel alone does what it says."""

import re
import sys
import tarfile
import tomllib
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from bertspec import __version__
from tests.packaging.conftest import REPOSITORY
from tests.projects import Project


@pytest.fixture
def wheel(distribution: Path) -> Path:
    return next(distribution.glob("*.whl"))


def _package() -> set[str]:
    files = (p for p in (REPOSITORY / "bertspec").rglob("*") if p.is_file())
    return {p.relative_to(REPOSITORY).as_posix() for p in files if "__pycache__" not in p.parts}


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    about = f"bertspec-{__version__}.dist-info/"
    assert {name for name in names if not name.startswith(about)} == _package()
    assert {"bertspec/core/codes/E001.md", "bertspec/cli/template/reviews.csv"} < names
    assert f"{about}licenses/LICENSE" in names


def test_the_sdist_has_what_builds_it_and_no_tests(distribution: Path) -> None:
    with tarfile.open(next(distribution.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert _package() < names
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt"} < names
    assert "schema/bertspec-1.schema.json" in names
    assert not [name for name in names if name.startswith(("tests", "models", "benchmarks"))]


def test_both_pass_the_checks_of_an_index(distribution: Path, wheel: Path) -> None:
    files = [str(path) for path in distribution.iterdir()]
    project = Project(distribution)
    said = project.run(sys.executable, "-m", "twine", "check", "--strict", *files).stdout
    assert said.count("PASSED") == 2
    # W004: commands are modules of their names, and `import` is a keyword.
    project.run("check-wheel-contents", "--ignore", "W004", str(wheel))


def test_the_metadata_is_that_of_the_project(wheel: Path) -> None:
    about = message_from_bytes(ZipFile(wheel).read(f"bertspec-{__version__}.dist-info/METADATA"))
    assert (about["Name"], about["Version"]) == ("bertspec", __version__)
    assert about["License-Expression"] == "Apache-2.0"
    extras = set(about.get_all("Provides-Extra", []))
    told = re.findall(r"bertspec\[([a-z]+)\]", (REPOSITORY / "README.md").read_text("utf-8"))
    assert set(told) < extras


def test_the_page_has_every_extra_that_is_for_users() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    page = (REPOSITORY / "docs" / "packaging.md").read_text("utf-8")
    (table,) = re.findall(r"^\| extra \|.*?\n\n", page, re.MULTILINE | re.DOTALL)
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line]
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(set(project["optional-dependencies"]) - {"dev"})


@pytest.mark.e2e
@pytest.mark.thorough
def test_an_empty_environment_with_the_wheel_checks_compiles_and_predicts(
    wheel: Path, built: Project, project: Project, tmp_path: Path
) -> None:
    """With the extra `predict`: no PyTorch, no DVC."""
    place = tmp_path / "environment"
    project.run(sys.executable, "-m", "venv", str(place))
    constraints = ("--constraint", str(REPOSITORY / "constraints.txt"))
    python, bertspec = str(place / "bin/python"), str(place / "bin/bertspec")
    project.run(python, "-m", "pip", "install", "--quiet", *constraints, f"{wheel}[predict]")
    (project.root / "bertspec.lock").write_bytes((built.root / "bertspec.lock").read_bytes())

    def alone(*arguments: str) -> str:
        # Neither this repository nor this environment is to be found.
        return project.run(bertspec, *arguments, PYTHONPATH="", PATH="/usr/bin:/bin").stdout

    versions = alone("--version")
    assert versions.startswith(f"bertspec {__version__}\n")
    assert "torch is not installed" in versions
    assert "dvc is not installed" in versions
    assert "1 file valid" in alone("validate")
    alone("fmt")
    assert "9 stages" in alone("compile")
    assert (project.root / "dvc.yaml").read_bytes() == (built.root / "dvc.yaml").read_bytes()
    assert alone("explain-code", "E001").startswith("# The file is not YAML")
    text = "a warm and funny film number 1"
    export = str(built.root / "models/tiny/export")
    said = alone("predict", export, text)
    assert said == built.bertspec("predict", export, text)
