"""The Dockerfile, read: no daemon runs here. Every path, extra and stage that it names exists."""

import re
import tomllib
from fnmatch import fnmatch
from io import BytesIO
from typing import Any

import pytest
from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.packaging.conftest import REPOSITORY

TEXT = (REPOSITORY / "Dockerfile").read_bytes()
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    parsed = DockerfileParser(fileobj=BytesIO(TEXT)).structure
    return [(s["instruction"], s["value"]) for s in parsed if s["instruction"] != "COMMENT"]


def _values(steps: list[tuple[str, str]], name: str) -> list[str]:
    return [value for instruction, value in steps if instruction == name]


def test_what_is_copied_is_here_and_not_ignored(steps: list[tuple[str, str]]) -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    stages = {value.split()[-1] for value in _values(steps, "FROM") if " AS " in value}
    copied = set()
    for value in _values(steps, "COPY"):
        *sources, _target = value.split()
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in stages
            continue
        copied |= {source.removeprefix("./") for source in sources}
    assert copied == set(kept)
    assert all((REPOSITORY / name).exists() for name in copied)


def test_the_package_is_built_of_what_is_copied(steps: list[tuple[str, str]]) -> None:
    """What pyproject.toml names of the folder is among it."""
    copied = " ".join(_values(steps, "COPY")).split()
    named = [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml"]
    assert set(named) <= set(copied)


def _has_torch(extra: str) -> bool:
    """Whether it, or an extra that it has, wants PyTorch."""
    wanted = map(Requirement, PROJECT["project"]["optional-dependencies"][extra])
    return any(
        w.name == "torch" or (w.name == "bertspec" and any(map(_has_torch, w.extras)))
        for w in wanted
    )


def test_extras_and_python_are_those_of_the_project(steps: list[tuple[str, str]]) -> None:
    (extras,) = _values(steps, "ARG")
    extra = extras.partition("=")[2]
    assert extra in PROJECT["project"]["optional-dependencies"]
    of_torch = {name for name in PROJECT["project"]["optional-dependencies"] if _has_torch(name)}
    assert of_torch == set(re.findall(r"\*,(\w+),\*", TEXT.decode()))
    for image in _values(steps, "FROM"):
        name, _, tag = image.split()[0].partition(":")
        assert (name, tag.partition("-")[2]) == ("python", "slim")
        assert tag.partition("-")[0] in SpecifierSet(PROJECT["project"]["requires-python"])


def test_it_has_two_stages_and_ends_as_no_root(steps: list[tuple[str, str]]) -> None:
    assert len(_values(steps, "FROM")) == 2
    (user,) = _values(steps, "USER")
    assert any(fnmatch(value, f"*useradd * {user}*") for value in _values(steps, "RUN"))
    names = [instruction for instruction, _ in steps]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")


def test_it_runs_as_a_user_without_a_name_and_a_home(steps: list[tuple[str, str]]) -> None:
    """`docker run --user 5000`: getpass asks for USER, and caches go below HOME."""
    last = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    values = " ".join(_values(steps[last:], "ENV")).split()
    (user,) = _values(steps, "USER")
    assert {f"USER={user}", "HOME=/tmp"} <= set(values)


def test_a_change_of_the_code_installs_no_package_again(steps: list[tuple[str, str]]) -> None:
    copied = steps.index(("COPY", "bertspec ./bertspec"))
    last = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    assert [value for name, value in steps[copied:last] if name == "RUN"] == [
        "pip install --no-deps ."
    ]
