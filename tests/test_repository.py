"""The repository itself: generated files are current, codes have pages, examples compile."""

import json
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from bertspec.catalog.tasks import TASKS
from bertspec.cli import COMMANDS
from bertspec.core.explanations import known_codes
from bertspec.core.yaml import load_plain
from tests.generated import GENERATED
from tests.projects import Project

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.parametrize("path", GENERATED)
def test_what_is_generated_is_current(path: str) -> None:
    committed = (REPOSITORY / path).read_text(encoding="utf-8")
    assert committed == GENERATED[path](), "run `make docs`"


def test_every_error_code_has_a_page_and_every_page_a_code() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in (REPOSITORY / "bertspec").rglob("*.py"))
    used = set(re.findall(r'"(E\d{3})"', text))
    assert used == set(known_codes())


def test_every_command_is_in_the_documentation() -> None:
    text = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"## bertspec {name}\n" in text


@pytest.mark.parametrize("kind", TASKS)
def test_every_task_is_explained_with_its_options_and_metrics(kind: str) -> None:
    text = (REPOSITORY / "docs" / "tasks.md").read_text(encoding="utf-8")
    part = text.split(f"\n## {kind}\n")[1].split("\n## ")[0]
    task = TASKS[kind]
    for name in (*task.metrics, *(name for name in task.model_fields if name != "type")):
        base, _, average = name.rpartition("_")
        averaged = f"`{base}`" in part and f"`_{average}`" in part
        assert re.search(rf"[` ]{name}[`:,]", part) or averaged, name


def test_the_compiled_files_are_current(tmp_path: Path) -> None:
    project = Project(REPOSITORY)
    project.bertspec("compile", "--check")


def test_the_committed_results_are_those_of_the_committed_specs() -> None:
    """`make demo` writes dvc.lock and the metrics; commit them with a change of the specs."""
    lock = load_plain((REPOSITORY / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    status = json.loads(Project(REPOSITORY).run("dvc", "status", "--json", *lock).stdout)
    assert set(lock) == set(Project(REPOSITORY).stages())
    changed = {
        (stage, path): what
        for stage, found in status.items()
        for entry in found
        if isinstance(entry, dict)
        for paths in entry.values()
        for path, what in paths.items()
        if what not in ("deleted", "not in cache")  # nobody need have the artifacts here
    }
    assert changed == {}, "run `make demo` and commit dvc.lock and models/"


def test_pinned_packages_are_for_the_oldest_python() -> None:
    """All releases of it: Debian 12 has 3.11.2."""
    pins = {
        line.partition("==")[0]
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
    }
    needed = {d.name: str(d.metadata.json.get("requires_python", "")) for d in distributions()}
    here = {name: versions for name, versions in needed.items() if name in pins}
    assert len(here) > 100
    assert [
        n for n, versions in here.items() if not SpecifierSet(versions).contains("3.11.0")
    ] == []


def test_files_stay_small() -> None:
    sizes = {
        p.relative_to(REPOSITORY): len(p.read_text(encoding="utf-8").splitlines())
        for p in (REPOSITORY / "bertspec").rglob("*.py")
    }
    assert {p: n for p, n in sizes.items() if n > 400} == {}
    assert sorted(sizes.values())[len(sizes) // 2] < 150


def test_nothing_reads_remote_code_or_pickles() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in (REPOSITORY / "bertspec").rglob("*.py"))
    assert "trust_remote_code" not in text
    assert not re.search(r"\bimport pickle|torch\.load\(", text)
    assert not re.search(r"^\s*(from|import) dvc\b", text, re.MULTILINE)


def test_every_test_that_the_page_on_reliability_names_is_there() -> None:
    page = (REPOSITORY / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", page)
    assert len(named) > 40
    for file, name in named:
        text = (REPOSITORY / "tests" / file).read_text(encoding="utf-8")
        assert f"\ndef {name}(" in text, f"{file}::{name}"
