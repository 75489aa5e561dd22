"""`bertspec lock`: what stays, what is found out, what CI refuses, and no connection offline."""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import Lock
from bertspec.runtime.doctor import examine
from bertspec.runtime.hardware import hardware_class, has_bf16
from tests.projects import SPEC, Project
from tests.stages import raw_rows, run_kinds


def _read(project: Project, name: str = "bertspec.lock") -> dict[str, Any]:
    found: dict[str, Any] = load_plain((project.root / name).read_text())
    return found


def _edit(project: Project, **changes: Any) -> None:
    """Write other values into the lock; None removes one."""
    values = {k: v for k, v in (_read(project) | changes).items() if v is not None}
    (project.root / "bertspec.lock").write_text(Lock.model_validate(values).to_text())


def _spec(**training: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    return spec | {"training": {"epochs": 1} | training}


def test_one_package_moves_and_others_stay(project: Project) -> None:
    project.compile()
    packages = _read(project)["packages"]
    _edit(project, packages=packages | {"numpy": "1.0", "scipy": "1.0"})
    assert f"numpy: 1.0 -> {packages['numpy']}" in project.bertspec("lock", "--upgrade", "NumPy")
    assert _read(project)["packages"] == packages | {"scipy": "1.0"}
    assert f"scipy: 1.0 -> {packages['scipy']}" in project.bertspec("lock")
    assert _read(project)["packages"] == packages


@pytest.mark.parametrize("name", ["numpi", "threads", "acme/tiny"])
def test_a_pin_that_is_not_there_is_told(project: Project, name: str) -> None:
    project.compile()
    said = project.bertspec("lock", "--upgrade", name, code=2)
    assert "E216" in said
    assert "`--threads`" in said
    assert name != "numpi" or "did you mean `numpy`?" in said


def test_frozen_writes_nothing_and_tells_all_that_would_change(project: Project) -> None:
    assert "there is no bertspec.lock" in project.bertspec("lock", "--frozen", code=2)
    project.compile()
    assert project.call("lock", "--frozen").stdout == ""
    packages = _read(project)["packages"]
    _edit(project, packages=packages | {"numpy": "1.0", "gone": "2.0"}, hardware=None)
    before = (project.root / "bertspec.lock").read_bytes()
    result = project.call("lock", "--frozen", "--threads", "3", code=1)
    assert set(result.stdout.splitlines()) == {
        "threads: 1 -> 3", f"numpy: 1.0 -> {packages['numpy']}", "gone: 2.0 -> none",
        "hardware: none -> to be looked up",
    }  # fmt: skip
    assert "run `bertspec lock`" in result.stderr
    assert (project.root / "bertspec.lock").read_bytes() == before
    project.bertspec("lock", "--frozen", "--upgrade", code=2)


def test_frozen_needs_no_package_that_is_locked(project: Project) -> None:
    """So CI can ask where only the language is installed."""
    spec = _spec()
    spec["model"]["base"] = {"type": "package", "package": "not_there"}
    project.write_spec(spec)
    said = project.bertspec("lock", code=3)
    assert "E502" in said
    project.write_spec(_spec())
    project.compile()
    project.write_spec(spec)
    assert "not-there: none -> to be looked up" in project.bertspec("lock", "--frozen", code=1)
    _edit(project, packages=_read(project)["packages"] | {"not-there": "1.0"})
    assert project.call("lock", "--frozen").stdout == ""


def test_a_lock_of_an_earlier_bertspec_is_read_and_filled(project: Project) -> None:
    project.compile()
    now = _read(project)
    _edit(project, hardware=None, device=None)
    project.bertspec("compile")
    assert "hardware" not in _read(project, "params.yaml")["bertspec"]
    assert f"hardware: none -> {hardware_class('cpu')}" in project.bertspec("lock")
    assert _read(project) == now


def test_auto_precision_is_in_the_lock(project: Project) -> None:
    project.compile()
    project.write_spec(_spec(precision="auto"))
    assert "does not say what `precision: auto` is" in project.bertspec("compile", code=2)
    project.bertspec("lock")
    native = "bf16" if has_bf16("cpu") else "fp32"
    assert _read(project)["precision"] == native
    other = "fp32" if native == "bf16" else "bf16"
    for locked, options in ((other, ()), (native, ("--upgrade", "precision"))):
        _edit(project, precision=other)
        project.bertspec("lock", *options)
        project.bertspec("compile")
        assert _read(project, "params.yaml")["tiny"]["training"]["precision"] == locked
    project.write_spec(_spec())
    assert f"precision: {native} -> none" in project.bertspec("lock")


def test_a_stage_decides_no_precision(project: Project) -> None:
    project.compile()
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("precision: fp32", "precision: auto"))
    said = project.bertspec("stage", "tiny-train", code=2)
    assert "E203" in said
    assert "`precision: auto` is decided by the lock" in said


def test_another_class_of_machines_is_told_of_and_rebuilds_nothing(
    built: Project,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert hardware_class("cpu").isa.startswith(torch.backends.cpu.get_cpu_capability().lower())
    project = Project(shutil.copytree(built.root, tmp_path / "copy"))
    run_kinds(project, "evaluate")
    assert "class of machines" not in capfd.readouterr().err
    before = _read(project, "params.yaml")
    dvc = (project.root / "dvc.yaml").read_bytes()
    other = {"isa": "avx1024", "blas": "blis"}
    _edit(project, hardware=other)
    assert "up to date" in project.bertspec("lock"), "another machine leaves it as it is"
    project.bertspec("compile")
    assert (project.root / "dvc.yaml").read_bytes() == dvc
    after = _read(project, "params.yaml")
    here = hardware_class("cpu").model_dump(mode="json")
    assert before["bertspec"].pop("hardware") == here
    assert after["bertspec"].pop("hardware") == other
    assert before == after, "nothing that DVC watches"
    run_kinds(project, "prepare", "evaluate")
    told = [line for line in capfd.readouterr().err.splitlines() if "class of machines" in line]
    assert len(told) == 1
    start = "tiny-evaluate: the lock is of another class of machines (avx1024, blis) than"
    assert told[0].startswith(start)
    monkeypatch.setattr(examine, "dvc", lambda root, needed: ())  # slow, and not asked here
    lines = json.loads(project.call("doctor", "--no-measure", "--format", "json", code=None).stdout)
    (line,) = [line for line in lines["checks"] if line["name"] == "hardware"]
    assert line["state"] == "note"
    assert line["facts"]["locked"] == other
    project.bertspec("lock", "--upgrade", "hardware")
    assert _read(project)["hardware"] == here


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder that is on the web, its address, and what was asked for."""
    folder = tmp_path / "web"
    folder.mkdir()
    asked: list[str] = []
    handler = partial(type("Handler", (_Quiet,), {"asked": asked}), directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/reviews.csv", asked
        server.shutdown()


def test_a_file_on_the_web_is_the_one_that_was_locked(
    project: Project, web: tuple[Path, str, list[str]]
) -> None:
    folder, url, asked = web
    content = (project.root / "data/reviews.csv").read_bytes()
    (folder / "reviews.csv").write_bytes(content)
    spec = _spec()
    spec["data"]["source"] = {
        "type": "url", "files": {"train": {"url": url}}, "format": {"type": "csv"}
    }  # fmt: skip
    project.write_spec(spec)
    assert "not been downloaded" in project.bertspec("validate", "--data")
    project.compile()
    assert _read(project)["files"] == {url: sha256(content).hexdigest()}
    source = _read(project, "params.yaml")["datasets"]["reviews"]["source"]
    assert source["files"]["train"]["sha256"] == sha256(content).hexdigest()
    assert "1 data set with 120 rows" in project.bertspec("validate", "--data")
    run_kinds(project, "fetch")
    assert len(raw_rows(project, "train")) == 120
    assert len(asked) == 1, "what `lock` fetched is kept"

    other = content.replace(b"film", b"movie")
    (folder / "reviews.csv").write_bytes(other)
    assert "up to date" in project.bertspec("lock")
    assert len(asked) == 1
    shutil.rmtree(project.root / ".bertspec/downloads")
    assert "E357" in project.bertspec("stage", "reviews-fetch", code=2)
    project.bertspec("lock", "--upgrade", url)
    assert _read(project)["files"] == {url: sha256(other).hexdigest()}
    project.bertspec("compile")
    run_kinds(project, "fetch")
    assert "movie" in str(raw_rows(project, "train")[0])


HOOK = """
import sys
def refuse(event, args):
    if event.startswith("socket."):
        with open("sockets.txt", "a") as file:
            print(event, file=file)
        raise PermissionError(f"{event} is not allowed here")
sys.addaudithook(refuse)
"""
"""Python runs it as it starts: any use of a socket is written down, and refused."""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_without_a_network_nothing_asks_for_one(project: Project) -> None:
    if project.run("unshare", "-rn", "true", code=None).returncode:
        pytest.skip("this user may not make a namespace")
    spec = _spec(precision="auto")
    spec["model"]["base"] = {"type": "hub", "id": "acme/tiny", "revision": "main"}
    project.write_spec(spec)
    lock = Lock(threads=1, packages={}, hub={"models/acme/tiny@main": "0" * 40})
    (project.root / "bertspec.lock").write_text(lock.to_text())
    (project.root / "sitecustomize.py").write_text(HOOK)
    sockets = project.root / "sockets.txt"

    def cut(*arguments: str, code: int = 0) -> str:
        path = f"{project.root}:{Path(__file__).parents[2]}"
        command = ("unshare", "-rn", "bertspec", *arguments)
        result = project.run(*command, code=code, PYTHONPATH=path, OMP_NUM_THREADS="1")
        return result.stdout + result.stderr

    cut("lock", "--offline")
    assert _read(project)["hub"] == {"models/acme/tiny@main": "0" * 40}
    assert _read(project)["precision"] in ("fp32", "bf16")
    cut("lock", "--frozen")
    cut("validate")
    cut("compile")
    assert "E515" in project.bertspec("lock", "--offline", "--upgrade", code=3)
    assert not sockets.exists()
    assert "E505" in cut("lock", "--upgrade", code=3)
    assert sockets.read_text(), "the hook sees what asks"
