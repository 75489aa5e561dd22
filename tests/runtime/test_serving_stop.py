"""How `bertspec serve` stops: what was sent before is answered, and nobody can keep it from it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest

from bertspec.runtime.predict import Predictor
from bertspec.runtime.serving import service as service_module
from bertspec.runtime.serving.limits import Limits
from bertspec.runtime.serving.metrics import Metrics
from bertspec.runtime.serving.service import Service
from tests.projects import Project
from tests.serving import client_of, in_flight, metric, post, queued, serving
from tests.waiting import PATIENCE, wait_for

TEXTS = ["a warm and funny film", "we hated it", "", "a dull cast"]
END = b"\r\n\r\n"
WHOLE = (
    b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    b"Content-Length: 23" + END + b'{"text": "a warm film"}'
)


@contextmanager
def process_of(project: Project) -> Iterator[tuple["subprocess.Popen[str]", httpx2.Client]]:
    """A server as a user has it, whose inputs wait for a minute for others."""
    program = [str(Path(sys.executable).parent / "bertspec"), "serve", "tiny", "--port", "0"]
    with subprocess.Popen(
        [*program, "--max-wait-ms", "60000"], cwd=project.root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[3].rstrip(";")
            with client_of(url) as client:
                yield process, client
        finally:
            process.kill()


def connect(url: httpx2.URL) -> socket.socket:
    return socket.create_connection((url.host, url.port), PATIENCE)


@contextmanager
def half_sent(client: httpx2.Client) -> Iterator[socket.socket]:
    """A request of which no more comes, that the server has begun to read."""
    with connect(client.base_url) as connection:
        connection.sendall(WHOLE[:-5])
        client.get("/health").raise_for_status()  # it reads in the order in which they come
        yield connection


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_loses_no_accepted_request(built: Project, number: signal.Signals) -> None:
    with process_of(built) as (process, client):
        with in_flight(client, [{"text": text} for text in TEXTS]) as responses:
            queued(client, len(TEXTS))
            process.send_signal(number)
        assert [response.status_code for response in responses] == [200] * len(TEXTS)
        _, said = process.communicate(timeout=PATIENCE)
        assert (process.returncode, said) == (0, "")
        with pytest.raises(httpx2.ConnectError):
            client.get("/health")


def test_a_second_interrupt_does_not_wait(built: Project) -> None:
    with process_of(built) as (process, client), half_sent(client) as connection:
        process.send_signal(signal.SIGINT)
        wait_for(lambda: not accepts(client))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert said.strip() == "interrupted; requests that waited have no answer"
        assert connection.recv(1000).startswith(b"HTTP/1.1 500")


def accepts(client: httpx2.Client) -> bool:
    try:
        client.get("/health", headers={"Connection": "close"})
    except httpx2.ConnectError:
        return False
    return True


@pytest.mark.parametrize("error", [OverflowError, SystemExit])
def test_a_server_whose_thread_dies_ends_with_what_it_died_of(
    built: Project, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    class Dying(Metrics):
        def __init__(self) -> None:
            super().__init__()
            monkeypatch.setattr(self.batches, "observe", self._die)

        def _die(self, _: int) -> None:
            raise error("nobody counts")

    monkeypatch.setattr(service_module, "Metrics", Dying)
    predictor = Predictor(built.root / "models/tiny/export")
    service = Service("tiny", predictor, "127.0.0.1", 0, Limits())
    with ThreadPoolExecutor(1) as pool, client_of(service.url) as client:
        served = pool.submit(service.run)
        assert post(client, {"text": "a warm film"}).status_code == 500
        with pytest.raises(error, match="nobody counts"):
            served.result(PATIENCE)
        with pytest.raises(httpx2.ConnectError):
            client.get("/health")


def test_who_waits_to_be_accepted_is_answered(built: Project) -> None:
    """The system connects clients, and takes what they send, before the server accepts them."""
    predictor = Predictor(built.root / "models/tiny/export")
    service = Service("tiny", predictor, "127.0.0.1", 0, Limits())
    with ExitStack() as stack:
        url = httpx2.URL(service.url)
        connections = [stack.enter_context(connect(url)) for _ in range(3)]
        for connection in connections:
            connection.sendall(WHOLE)
        service.stop()
        service.run()
        for connection in connections:
            head, _, answer = b"".join(iter(partial(connection.recv, 1000), b"")).partition(END)
            assert head.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in head.lower()
            assert json.loads(answer)["label"] == "good"


def test_a_body_that_does_not_come_is_not_waited_for(built: Project) -> None:
    """Otherwise one client could keep the server from stopping."""
    predictor = Predictor(built.root / "models/tiny/export")
    with serving(predictor, body_seconds=0.3) as client, half_sent(client) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        assert metric(client, "bertspec_errors_total", code="408") == 1
