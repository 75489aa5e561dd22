"""A project that DVC takes for built. What is in its outputs does not matter to a plan, so no
stage has run: they are written here, and `dvc commit` notes them as those of a run.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.yaml import dump, load_plain
from tests.projects import SPEC, Project


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """For copying only."""
    project = Project.create(tmp_path_factory.mktemp("plan") / "project")
    project.init_dvc()
    project.bertspec("lock", "--threads", "1", "--device", "cpu")  # and no torch is asked
    project.bertspec("compile")
    write_outputs(project)
    project.run("dvc", "commit", "--force", "--quiet")
    return project


@pytest.fixture
def ready(committed: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(committed.root, tmp_path / "ready", symlinks=True))


def write_outputs(project: Project) -> None:
    for path in outputs(project):
        place = project.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".json":
            place.write_text(json.dumps({"of": path}))
        elif place.suffix:
            place.write_text(f"step,loss\n1,{len(path)}\n")
        else:
            (place / "below").mkdir(parents=True)
            (place / "one.txt").write_text(path)
            (place / "below" / "two.txt").write_text("the same everywhere")


def outputs(project: Project) -> Iterator[str]:
    for stage in stages(project).values():
        for out in (o for key in ("outs", "metrics", "plots") for o in stage.get(key, ())):
            yield out if isinstance(out, str) else next(iter(out))


def stages(project: Project) -> dict[str, Any]:
    content: dict[str, Any] = load_plain((project.root / "dvc.yaml").read_text())["stages"]
    return content


def spec(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(SPEC)), **changes}


def training(**changes: Any) -> dict[str, Any]:
    return spec(training=SPEC["training"] | changes)


def edit(file: Path, **changes: Any) -> None:
    """Change a file that a program wrote; `stages` of it are changed one by one."""
    content = load_plain(file.read_text())
    for name, values in changes.pop("stages", {}).items():
        if values is None:
            del content["stages"][name]
        else:
            content["stages"][name] = content["stages"].get(name, {}) | values
    file.write_text(dump(content | changes))


def plan(project: Project, code: int | None = None, options: Sequence[str] = ()) -> dict[str, Any]:
    """The plan, whose exit code says whether there is something to run."""
    result = project.call("plan", "--format", "json", *options, code=code)
    told: dict[str, Any] = json.loads(result.stdout)
    assert result.returncode == (2 if told["stages"] else 0)
    return told


def actions(told: Mapping[str, Any]) -> dict[str, set[str]]:
    """Stages by what happens to them."""
    found: dict[str, set[str]] = {"run": set(), "restore": set(), "pull": set(), "follow": set()}
    for step in told["stages"]:
        found[step["action"]].add(step["name"])
    return found


def reasons(told: Mapping[str, Any], stage: str) -> list[str]:
    (step,) = (step for step in told["stages"] if step["name"] == stage)
    return [
        reason["text"] + (f" {_place(reason['position'])}" if reason["position"] else "")
        for reason in step["reasons"]
    ]


def _place(position: Mapping[str, Any]) -> str:
    return ":".join(str(p) for p in position.values() if p is not None)
