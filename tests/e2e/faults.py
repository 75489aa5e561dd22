"""What tests of faults have in common: builds that nothing disturbs, and stages at work."""

import shutil
import subprocess
import time
from pathlib import Path

from bertspec.core.manifest import digest_files
from tests.projects import Project, rows
from tests.stages import run_kinds

SOURCES = ("specs", "data/reviews.csv", "bertspec.lock", "dvc.yaml", "params.yaml")
"""What a build begins with."""

FETCH, PREPARE = "reviews-fetch", "reviews-prepare"
RAW = "data/reviews/raw"


def begin(built: Project, root: Path) -> Project:
    """A new project with the sources of the tiny one, of which nothing is built."""
    for name in SOURCES:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        place = built.root / name
        shutil.copytree(place, target) if place.is_dir() else shutil.copy(place, target)
    return Project(root)


def digests(project: Project, *folders: str) -> dict[str, str]:
    """All that was made, with whatever was left behind; DVC's own ignore files are not."""
    return {
        f"{folder}/{name}": value
        for folder in folders or ("data/reviews", "models")
        for name, value in digest_files(project.root / folder).items()
        if not name.endswith(".gitignore")
    }


def undisturbed(copy: Project, folder: Path, *kinds: str) -> Project:
    """A build of what the specs and rows of `copy` say now, up to these kinds of stage."""
    project = begin(copy, folder)
    project.bertspec("compile")
    run_kinds(project, *kinds)
    return project


def works(project: Project, process: "subprocess.Popen[str]", *stages: str) -> str:
    """Wait until one of the stages has begun to work, and tell which."""
    work = project.root / ".bertspec/work"
    deadline = time.monotonic() + 120
    while True:
        for stage in stages:
            if (work / stage).exists():
                return stage
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def failed(project: Project, *command: str, **env: str) -> str:
    """What a command says that must fail."""
    result = project.run(*command, code=None, **env)
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout
    return result.stdout + result.stderr


def more_rows(project: Project, count: int = 10) -> None:
    project.write_rows([*rows(), *((f"one more film number {i}", "good") for i in range(count))])
