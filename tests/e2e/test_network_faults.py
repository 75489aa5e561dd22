"""A network that fails under the real dvc: a download that breaks off, a remote that refuses."""

import json
import os
import signal
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bertspec.core.manifest import digest_files
from bertspec.runtime.stage import run_stage
from tests.data import test_url_source as web
from tests.projects import SPEC, Project

pytestmark = pytest.mark.e2e

FETCH, PREPARE = "reviews-fetch", "reviews-prepare"
OUTPUTS = ("data/reviews/raw", "data/reviews/prepared")


def _digests(project: Project) -> dict[str, dict[str, str]]:
    return {name: digest_files(project.root / name) for name in OUTPUTS}


def _failed(project: Project, *command: str) -> str:
    result = project.run(*command, code=None)
    assert result.returncode != 0, result.stdout
    return result.stdout + result.stderr


class _Handler(BaseHTTPRequestHandler):
    """Keeps what is sent; after some transfers it breaks off each."""

    protocol_version = "HTTP/1.1"
    server: "_Store"

    def do_HEAD(self) -> None:
        self._answer(200 if self.path in self.server.files else 404, b"")

    def do_GET(self) -> None:
        content = self.server.files.get(self.path)
        if content is None:
            self._answer(404, b"")
        elif self.server.breaks():
            self.close_connection = True
            self._answer(200, content[: len(content) // 2], len(content))
        else:
            self._answer(200, content)

    def do_POST(self) -> None:
        if self.server.breaks():
            self.close_connection = True
            self._answer(507, b"")
            return
        self.server.files[self.path] = self._body()
        self._answer(201, b"")

    def _body(self) -> bytes:
        if length := self.headers.get("Content-Length"):
            return self.rfile.read(int(length))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Store(ThreadingHTTPServer):
    """A remote of dvc."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.good: int | None = None
        """Transfers that still go well; None for all."""

    def breaks(self) -> bool:
        if self.good is None:
            return False
        self.good -= 1
        return self.good < 0

    def handle_error(self, request: Any, address: Any) -> None:
        """A client that has gone is none of a test's business."""


def _serving(server: ThreadingHTTPServer) -> None:
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def store() -> Iterator[_Store]:
    with _Store() as server:
        _serving(server)
        yield server
        server.shutdown()


def test_a_remote_that_fails_in_the_middle_is_pushed_to_and_pulled_from_again(
    store: _Store, tmp_path: Path
) -> None:
    project = Project.create(tmp_path / "project")
    project.compile()
    project.init_dvc()
    project.run("dvc", "repro", PREPARE)
    url = f"http://127.0.0.1:{store.server_port}/store"
    project.run("dvc", "remote", "add", "--default", "store", url)
    project.commit("build")
    before = _digests(project)

    store.good = 3
    said = _failed(project, "dvc", "push", *OUTPUTS)
    assert "failed to push" in said
    assert len(store.files) == 3
    assert _digests(project) == before
    store.good = None
    project.run("dvc", "push", *OUTPUTS)
    assert "Everything is up to date" in project.run("dvc", "push", *OUTPUTS).stdout

    clone = Project(tmp_path / "clone")
    project.run("git", "clone", "--quiet", str(project.root), str(clone.root))
    store.good = 3
    said = _failed(clone, "dvc", "pull", *OUTPUTS)
    assert "Response payload is not completed" in said, "dvc names what broke off"
    assert not [p for p in OUTPUTS if (clone.root / p).exists() and _part(clone, p, before[p])]
    store.good = None
    clone.run("dvc", "pull", *OUTPUTS)
    assert _digests(clone) == before


def _part(project: Project, name: str, whole: dict[str, str]) -> bool:
    """Whether a folder holds a file that is not whole."""
    found = digest_files(project.root / name)
    return not found.items() <= whole.items()


def test_a_download_that_power_cuts_off_goes_on(tmp_path: Path) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["data"]["columns"] = {"text": "text", "label": "label"}
    with web.Server() as server:
        _serving(server)
        spec["data"]["source"] = web.options(server.url())
        project = Project.create(tmp_path / "project")
        project.write_spec(spec)
        project.compile()
        project.init_dvc()
        server.behave = _give_half_and_wait
        process = project.start("dvc", "repro", FETCH)
        part = web.part_of(project.root)
        deadline = time.monotonic() + 60
        while not part.is_file() or not part.stat().st_size:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (project.root / "data/reviews/raw").exists()
        come = part.stat().st_size
        server.behave = lambda handler, start: handler.give_from(start)
        project.run("dvc", "repro", FETCH)
        assert server.ranges == [None, f"bytes={come}-"]
        again = Project.create(tmp_path / "again")
        again.write_spec(spec)
        again.compile()
        run_stage(FETCH, again.root)
        server.shutdown()
    raw = "data/reviews/raw"
    assert digest_files(project.root / raw) == digest_files(again.root / raw)


def _give_half_and_wait(handler: web.Handler, start: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(web.CONTENT)))
    handler.end_headers()
    handler.wfile.write(web.CONTENT[: web.HALF])
    handler.wfile.flush()
    time.sleep(60)
