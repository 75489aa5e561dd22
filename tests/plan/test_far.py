"""What a plan finds in remotes that are no folders: it asks DVC, and brings nothing."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.files import remove
from tests.plan.ready import actions, stages
from tests.projects import Project
from tests.remotes import REMOTES, Place

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("preloaded")]


NONE: dict[str, set[str]] = {"run": set(), "restore": set(), "pull": set(), "follow": set()}


@pytest.fixture(
    params=["webdav", *(pytest.param(k, marks=pytest.mark.thorough) for k in ("http", "s3"))]
)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    with REMOTES[request.param](tmp_path / "remote") as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def _set(project: Project, default: str, **remotes: dict[str, str]) -> None:
    """As `dvc remote add` writes it."""
    lines = ["[core]", f"remote = {default}"]
    for name, options in remotes.items():
        lines += [f"['remote \"{name}\"']", *(f"{key} = {v}" for key, v in options.items())]
    (project.root / ".dvc/config.local").write_text("\n".join(lines))


def _plan(project: Project) -> dict[str, set[str]]:
    told: dict[str, Any] = json.loads(
        project.run("bertspec", "plan", "--remote", "--format", "json", code=None).stdout
    )
    return actions(told)


def _is_lost(project: Project) -> None:
    """Remove all that DVC could bring."""
    shutil.rmtree(project.root / ".dvc/cache")
    for stage in stages(project).values():
        for path in stage.get("outs", ()):
            remove(project.root / path)


def test_what_has_been_pushed_is_found_in_a_remote_of_each_kind(
    ready: Project, place: Place
) -> None:
    written = place.pushed_to or place.url
    _set(
        ready, "far", far={"url": place.url, **place.options}, to={"url": written, **place.options}
    )
    ready.run("dvc", "push", "--run-cache", "--remote", "to")
    _is_lost(ready)
    every = set(stages(ready))
    assert _plan(ready) == NONE | {"pull": every}
    assert not (ready.root / ".dvc/cache").exists(), "nothing is brought"
    # Without dvc.lock, runs are known by the run cache alone, of which DVC keeps none on a web
    # server. What is in git, such as metrics, is in no remote.
    (ready.root / "dvc.lock").unlink()
    run = every if place.pushed_to else {"tiny-evaluate", "tiny-export", "tiny-report"}
    assert _plan(ready) == NONE | {"run": run, "pull": every - run}


def test_a_remote_that_cannot_be_read_is_told(ready: Project) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        _set(ready, "far", far={"url": f"webdav://127.0.0.1:{free.getsockname()[1]}/x"})
    assert ready.call("plan", "--remote").stdout.startswith("nothing to run"), "nothing to ask for"
    _is_lost(ready)
    said = ready.run("bertspec", "plan", "--remote", code=3)
    assert "E526" in said.stderr
