"""`bertspec serve`: options that are of the model, and not of the server."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import psutil
import pytest
from onnx.numpy_helper import from_array, to_array

from bertspec.core.packages import available_cores
from bertspec.runtime.predict import Predictor
from bertspec.runtime.seal import Seal
from bertspec.runtime.serving import service
from bertspec.runtime.serving.limits import Limits
from tests.model.models import edit_json
from tests.projects import Project
from tests.serving import client_of, post, same
from tests.waiting import PATIENCE

OTHER = "onnx-int8"
LARGE = 1024 * 1024
BODY = {"text": "a dull and clumsy film"}


@pytest.fixture(scope="module")
def two(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export folder with a second ONNX file, to which everything is good."""
    folder = tmp_path_factory.mktemp("two") / "export"
    shutil.copytree(built.root / "models/tiny/export", folder)
    model = onnx.load(folder / "model.onnx")
    (bias,) = (w for w in model.graph.initializer if w.name == "model.classifier.bias")
    bias.CopyFrom(from_array(to_array(bias) + np.array([0, 50], np.float32), bias.name))
    onnx.save(model, folder / "other.onnx")
    models = json.loads((folder / "bundle.json").read_text())["models"]
    edit_json(folder / "bundle.json", models=models | {OTHER: "other.onnx"})
    Seal.of(folder).write()
    return folder


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[int, httpx2.Client]]:
    """The process of a server as a user has it, and a client."""
    program = [str(Path(sys.executable).parent / "bertspec"), "serve", str(folder), "--port", "0"]
    with subprocess.Popen([*program, *options], text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[3].rstrip(";")
            with client_of(url) as client:
                yield process.pid, client
        finally:
            process.kill()


def test_another_export_is_served_with_so_many_threads(two: Path) -> None:
    threads = available_cores() + 8
    with served(two, "--export", OTHER, "--threads", str(threads)) as (process, client):
        answer = post(client, BODY).json()
        assert psutil.Process(process).num_threads() > threads
    assert answer["label"] == "good"
    assert same(answer, next(Predictor(two, OTHER).predict([BODY])))
    assert next(Predictor(two).predict([BODY]))["label"] == "bad"


def test_options_are_those_of_the_server(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    class Told:
        url = "nowhere"

        def __init__(self, *arguments: Any) -> None:
            name, _, host, port, limits = arguments
            assert name == "tiny"
            given.append((host, port, asdict(limits)))

        def run_until_signal(self) -> None:
            """It serves nothing."""

    monkeypatch.setattr(service, "Service", Told)
    built.bertspec("serve", "tiny")
    built.bertspec("serve", str(built.root / "models/tiny/export"))
    listening = ("--host", "::1", "--port", "7")
    sizes = ("--max-batch", "2", "--max-queue", "4", "--max-body", "5")
    built.bertspec("serve", "tiny", *listening, *sizes, "--max-wait-ms", "3000")
    limits = Limits(max_batch=2, max_wait=3, max_queue=4, max_body=5)
    default = ("127.0.0.1", 8000, asdict(Limits()))
    assert given == [default, default, ("::1", 7, asdict(limits))]


def test_without_numpy_the_extra_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # else it is set while numpy is imported
    monkeypatch.setitem(sys.modules, "numpy", None)
    said = project.bertspec("serve", "tiny", code=3)
    assert "error[E502]: not installed: numpy, which `bertspec serve` needs" in said
    assert "pip install 'bertspec[serve]'" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--export", "onnx-int4"), ["E451", "no ONNX export `onnx-int4`", f"mean `{OTHER}`?"]),
        (("--export", "torchscript"), ["E451", "the export `torchscript` is model.pt"]),
        (("--host", ""), ["--host", "name an address"]),
        (("--max-queue", "99999999999999999999"), ["--max-queue", "1<=x<=1000000"]),
        (("--threads", "0"), ["--threads"]),
        (("--threads", "1025"), ["--threads", "1<=x<=1024"]),
        (("--max-wait-ms", "inf"), ["--max-wait-ms", "0<=x<=60000"]),
        (("--max-wait-ms", "1e14"), ["--max-wait-ms", "0<=x<=60000"]),
        (("--max-wait-ms", "nan"), ["--max-wait-ms", "no finite number"]),
    ],
)
def test_what_is_wrong_with_them_is_told(
    built: Project, two: Path, options: tuple[str, ...], words: list[str]
) -> None:
    said = built.bertspec("serve", str(two), *options, code=2)
    assert all(word in said for word in words), said


def _lines() -> Iterator[bytes]:
    """A head of so many lines that it never ends."""
    yield b"GET /health HTTP/1.1\r\n"
    while True:
        yield b"X-Line: %s\r\n" % (b"a" * 1000) * 60


@pytest.mark.parametrize(
    "pieces",
    [
        (b"GET /health?%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * LARGE),),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nX-Large: %s\r\n\r\n" % (b"a" * LARGE),),
        _lines(),
    ],
    ids=["line", "header", "lines"],
)
def test_a_head_is_not_read_without_end(built: Project, pieces: Iterable[bytes]) -> None:
    with served(built.root / "models/tiny/export") as (process, client):
        assert client.get("/health").status_code == 200
        before = psutil.Process(process).memory_info().rss
        answer = _answer_to(client.base_url.port or 0, pieces)
        assert answer.startswith(b"HTTP/1.1 400 ") or not answer
        assert client.get("/health").status_code == 200
        assert psutil.Process(process).memory_info().rss - before < 16 * LARGE


def _answer_to(port: int, pieces: Iterable[bytes]) -> bytes:
    """What a server says before it has read 60 MB; nothing where it ends the connection first."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        try:
            for number, piece in enumerate(pieces):
                assert number < 1000, "a head of 60 MB is read"
                client.sendall(piece)
            return client.recv(100)
        except ConnectionError:
            return b""
