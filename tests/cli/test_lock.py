"""`bertspec lock`: what stays, what is found out, what CI refuses, and no connection offline."""

import errno
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from bertspec.catalog.floating import Floating
from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import Lock
from bertspec.runtime.doctor import examine
from bertspec.runtime.hardware import hardware_class, has_bf16
from bertspec.runtime.locking import Open
from tests.projects import SPEC, Project
from tests.skipping import skip_here
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


def test_names_of_the_hub_are_told_apart_where_those_of_packages_are_not() -> None:
    names = ("models/acme/tiny-model@main", "models/acme/tiny_model@main")
    floating = [Floating("hub", name, (), lambda _: "") for name in names]
    left = Open(["scikit-learn"], floating, precision=False)
    assert left.named("acme/tiny_model") == {"models/acme/tiny_model@main"}
    assert left.named("acme/tiny-model") == {"models/acme/tiny-model@main"}
    assert left.named("Scikit_Learn") == {"scikit-learn"}


def test_locking_some_specs_keeps_what_others_need(project: Project) -> None:
    project.compile()
    project.write_spec(_spec() | {"name": "other"}, "other.json")
    now = _read(project)
    hub = {"models/acme/tiny@main": "0" * 40}
    packages = {"gone": "2.0"} | now["packages"]
    _edit(
        project, hub=hub, files={"https://x.org/a": "0" * 64}, precision="fp32", packages=packages
    )
    before = (project.root / "bertspec.lock").read_bytes()
    for options in (["--offline"], ["--frozen"], ["--offline", "--upgrade", "numpy"]):
        project.bertspec("lock", "specs/other.json", *options)
        assert (project.root / "bertspec.lock").read_bytes() == before
    said = project.bertspec("lock")
    assert "models/acme/tiny@main: " in said
    assert _read(project) == now


def test_another_torch_is_another_class_of_machines(project: Project) -> None:
    project.compile()
    now = _read(project)
    other = {"isa": "avx1024", "blas": "blis"}
    old = now["packages"] | {"torch": "1.0"}
    _edit(project, hardware=other, packages=old)
    told = project.call("lock", "--frozen", code=1).stdout
    assert "hardware: avx1024, blis -> to be looked up" in told
    assert "up to date" in project.bertspec("lock", "--upgrade", "numpy")
    assert _read(project)["hardware"] == other
    assert f"hardware: avx1024, blis -> {hardware_class('cpu')}" in project.bertspec("lock")
    assert _read(project) == now


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
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
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


SEVERAL = """
import json, sys
from bertspec.cli import main
for command, code in json.loads(sys.argv[1]):
    try:
        main(command.split())
    except SystemExit as end:
        assert int(end.code or 0) == code, (command, end.code)
"""
"""Programs take long to start."""


def test_without_a_network_nothing_asks_for_one(project: Project) -> None:
    spec = _spec(precision="auto")
    spec["model"]["base"] = {"type": "hub", "id": "acme/tiny", "revision": "main"}
    project.write_spec(spec)
    lock = Lock(threads=1, packages={}, hub={"models/acme/tiny@main": "0" * 40})
    (project.root / "bertspec.lock").write_text(lock.to_text())
    (project.root / "sitecustomize.py").write_text(HOOK)
    sockets = project.root / "sockets.txt"

    def cut(*commands: tuple[str, int]) -> str:
        """What these say, one after the other in a process, and end with these codes."""
        path = f"{project.root}:{Path(__file__).parents[2]}"
        program = (sys.executable, "-c", SEVERAL, json.dumps(commands))
        result = project.run(*program, PYTHONPATH=path, OMP_NUM_THREADS="1")
        return result.stdout + result.stderr

    asked = ("lock --offline", "lock --frozen", "validate", "compile")
    assert "E515" in cut(*((command, 0) for command in asked), ("lock --offline --upgrade", 3))
    assert not sockets.exists()
    assert _read(project)["hub"] == {"models/acme/tiny@main": "0" * 40}
    assert _read(project)["precision"] in ("fp32", "bf16")
    said = cut(("lock --upgrade", 3))
    assert "E505" in said
    assert "cached" not in said, "what is looked up never is"
    assert sockets.read_text(), "the hook sees what asks"


NO_NETWORK = ("unshare", "--map-root-user", "--net")
"""What a command begins with that has a network of its own, in which there is nothing."""

REACHES = "import socket, sys; print(socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))))"


def test_where_there_is_no_network_a_locked_project_is_built(project: Project) -> None:
    """Whatever would ask for it, in Python or not. One spec is built, and the other has a base
    of the hub, of which the lock knows the commit.
    """
    tried = subprocess.run([*NO_NETWORK, "true"], check=False, capture_output=True)
    if tried.returncode:
        skip_here("no namespace can be made here")
    with socket.create_server(("127.0.0.1", 0)) as server:
        reaches = ("python", "-c", REACHES, str(server.getsockname()[1]))
        assert project.run(*reaches).stdout == "0\n"
        found = project.run(*NO_NETWORK, *reaches).stdout
        assert int(found) == errno.ENETUNREACH
    project.write_spec(_spec() | {"export": [{"type": "onnx"}]})
    project.compile()
    stages = project.stages()
    spec = _spec(precision="auto") | {"name": "other"}
    spec["model"]["base"] = {"type": "hub", "id": "acme/tiny", "revision": "main"}
    project.write_spec(spec, "other.json")
    lock = Lock(threads=1, packages={}, hub={"models/acme/tiny@main": "0" * 40})
    (project.root / "bertspec.lock").write_text(lock.to_text())

    def cut(*commands: tuple[str, int]) -> str:
        python = ("python", "-c", SEVERAL, json.dumps(commands))
        return project.run(*NO_NETWORK, *python, OMP_NUM_THREADS="1").stderr

    asked = ("lock --offline", "lock --frozen", "validate", "compile")
    said = cut(
        *((command, 0) for command in asked), ("lock --offline --upgrade", 3), ("lock --upgrade", 3)
    )
    assert "E515" in said
    assert "E505" in said
    assert _read(project)["hub"] == {"models/acme/tiny@main": "0" * 40}
    cut(*((f"stage {name}", 0) for name in stages))
    assert (project.root / "models/tiny/export/model.onnx").is_file()
    assert (project.root / "models/tiny/report.html").is_file()
