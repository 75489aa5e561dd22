"""Sharing through a remote: each kind, and two people with one."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import Project, with_onnx
from tests.remotes import REMOTES, Place

pytestmark = [
    pytest.mark.e2e, pytest.mark.xdist_group("dvc"), pytest.mark.usefixtures("preloaded")
]  # fmt: skip

BUNDLE = "models/tiny/export"


@pytest.fixture(params=["folder", "s3", "http", pytest.param("webdav", marks=pytest.mark.thorough)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with REMOTES[request.param](tmp_path / "remote") as found:
        yield found


def _add(project: Project, name: str, url: str, options: dict[str, str]) -> None:
    project.run("dvc", "remote", "add", "--default", name, url)
    for option, value in options.items():
        project.run("dvc", "remote", "modify", name, option, value)


def _second(project: Project, root: Path) -> Project:
    """Another person's clone, with a cache of its own."""
    project.commit("a remote")
    project.run("git", "clone", "--quiet", str(project.root), str(root))
    second = Project(root)
    second.run("dvc", "config", "--local", "cache.dir", str(root.parent / f"{root.name}-cache"))
    return second


def test_one_bundle_is_pulled_from_a_remote_of_each_kind(
    clone: Project, place: Place, tmp_path: Path
) -> None:
    said = clone.bertspec("remote", "check", code=2)
    assert "E241" in said
    assert "dvc remote add" in said
    if place.pushed_to:
        _add(clone, "writable", place.pushed_to, {})
    _add(clone, "store", place.url, place.options)
    pushed = "writable" if place.pushed_to else "store"
    before = clone.run("bertspec", "remote", "check", pushed, code=1, **place.environment).stdout
    assert f"{BUNDLE}: " in before
    assert f"`dvc push --remote {pushed}`" in before
    clone.run("dvc", "push", "--remote", pushed, **place.environment)
    after = clone.run("bertspec", "remote", "check", **place.environment).stdout
    assert "has all that dvc.lock names" in after
    second = _second(clone, tmp_path / "second")
    second.run("dvc", "pull", BUNDLE, **place.environment)
    assert not (second.root / "models/tiny/trained").exists()
    assert second.bertspec("predict", "tiny", "a warm film") == clone.bertspec(
        "predict", "tiny", "a warm film"
    )
    told = second.run("bertspec", "remote", "check", "--format", "json", **place.environment)
    artifacts = json.loads(told.stdout)["artifacts"]
    assert BUNDLE not in artifacts
    assert artifacts["models/tiny/trained"].keys() == {"deleted"}, "DVC's word for what is there"


def test_what_is_in_neither_is_told(clone: Project, tmp_path: Path) -> None:
    _add(clone, "store", str(tmp_path / "remote"), {})
    clone.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "empty"))
    said = clone.bertspec("remote", "check", code=1)
    assert "models/tiny/trained: " in said
    assert "neither here nor in the remote" in said


@pytest.mark.parametrize(
    ("url", "told"), [("gs://bucket/x", "dvc-gs"), ("webdav://127.0.0.1:{port}/x", "webdav")]
)
def test_a_remote_that_does_not_work_is_told(clone: Project, url: str, told: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        _add(clone, "store", url.format(port=free.getsockname()[1]), {})
    said = clone.bertspec("remote", "check", code=3)
    assert "E526" in said
    assert told in said
    assert "did you mean `store`?" in clone.bertspec("remote", "check", "stores", code=2)


def test_a_second_person_builds_only_what_a_changed_line_changes(
    clone: Project, tmp_path: Path
) -> None:
    """Nothing is trained that somebody has trained: the run cache is shared, too."""
    _add(clone, "store", str(tmp_path / "remote"), {})
    clone.run("dvc", "push", "--run-cache")
    second = _second(clone, tmp_path / "second")
    second.run("dvc", "pull", "--run-cache")
    second.write_spec(with_onnx(evaluation={"metrics": ["accuracy", "matthews"]}))
    second.bertspec("compile")
    ran = _ran(second)
    assert ran == {"tiny-evaluate", "tiny-export", "tiny-report"}
    second.run("dvc", "push", "--run-cache")
    # The first takes the change, and what was built for it.
    shutil.copy(second.root / "specs/tiny.json", clone.root / "specs/tiny.json")
    clone.bertspec("compile")
    assert "tiny-train" not in _ran(clone, "--pull")
    assert clone.metrics() == second.metrics()


@pytest.mark.thorough
def test_a_lock_that_was_forgotten_costs_no_training(clone: Project, tmp_path: Path) -> None:
    """Without dvc.lock DVC knows of no run; the run cache of the remote does."""
    _add(clone, "store", str(tmp_path / "remote"), {})
    clone.run("dvc", "push", "--run-cache")
    (clone.root / "dvc.lock").unlink()
    second = _second(clone, tmp_path / "second")
    second.run("dvc", "fetch", "--run-cache")
    # What is in git and not in the cache, such as metrics.json, DVC sends to no remote.
    assert _ran(second, "--pull") <= {"tiny-evaluate", "tiny-export"}
    assert second.metrics() == clone.metrics()


def _ran(project: Project, *options: str) -> set[str]:
    lines = project.run("dvc", "repro", *options).stdout.splitlines()
    return {line.split("'")[1] for line in lines if line.startswith("Running")}
