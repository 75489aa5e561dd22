"""Files on the web, from a server that breaks off, sends on, lies and gives other files."""

import gzip
import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from bertspec.catalog.sources import SOURCES
from bertspec.catalog.sources import url as url_module
from bertspec.core.errors import BertspecError, EnvironmentFault, InputError

CONTENT = b"text,label\n" + b"".join(b"text number %d,good\n" % i for i in range(20_000))
ROWS = 20_000
SHA = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Handler(BaseHTTPRequestHandler):
    """Gives `content` as the test's `behave` says, or all of it, or what a Range asks for."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        self.close_connection = True
        self.server.behave(self, int(wanted[6:-1]) if wanted else 0)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def give(self, status: int, body: bytes, length: int | None = -1, **headers: str) -> None:
        """Answer; `length` is what is promised, None for nothing and -1 for the truth."""
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(body)

    def give_from(self, start: int, stop: int | None = None) -> None:
        """The file from a byte on, breaking off at another."""
        whole, part = self.server.content, self.server.content[start:stop]
        if start >= len(whole):
            self.give(416, b"", Content_Range=f"bytes */{len(whole)}")
        elif start:
            place = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
            self.give(206, part, len(whole) - start, Content_Range=place)
        else:
            self.give(200, part, len(whole))


Behave = Callable[[Handler, int], None]


class Server(ThreadingHTTPServer):
    content = CONTENT
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        """The Range of every request, in order."""
        self.behave: Behave = lambda handler, start: handler.give_from(start)

    def url(self, path: str = "/reviews.csv") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: Any, address: Any) -> None:
        """A client that has gone is none of a test's business."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(url_module, "DELAYS", (0.0, 0.0, 0.0))
    with Server() as made:
        thread = Thread(target=made.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def options(url: str, sha256: str = SHA, **format: Any) -> dict[str, Any]:
    files = {"train": {"url": url, "sha256": sha256}}
    return {"type": "url", "files": files, "format": {"type": "csv"} | format}


def read(root: Path, url: str, sha256: str = SHA, **format: Any) -> list[dict[str, Any]]:
    source = SOURCES["url"].model_validate(options(url, sha256, **format))
    found: list[dict[str, Any]] = []
    for split, piece in source.read(root):
        assert split == "train"
        assert piece.file == url
        found += piece.read(len(found) + 1).to_pylist()
    return found


def refusal(kind: type[BertspecError], root: Path, url: str, **more: Any) -> tuple[str, str]:
    with pytest.raises(kind) as caught:
        read(root, url, **more)
    (found,) = caught.value.diagnostics
    assert found.help
    return found.code, found.message


def part_of(root: Path, sha256: str = SHA, name: str = "reviews.csv") -> Path:
    folder = root / ".bertspec" / "downloads" / sha256
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.part"


def kept(root: Path) -> list[str]:
    return sorted(p.name for p in (root / ".bertspec").rglob("*") if p.is_file())


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    rows = read(tmp_path, server.url())
    assert len(rows) == ROWS
    assert rows[-1] == {"text": "text number 19999", "label": "good"}
    assert read(tmp_path, server.url()) == rows
    assert server.ranges == [None]
    assert kept(tmp_path) == ["reviews.csv"]


def test_a_kept_file_that_was_changed_is_fetched_again(server: Server, tmp_path: Path) -> None:
    read(tmp_path, server.url())
    (tmp_path / ".bertspec" / "downloads" / SHA / "reviews.csv").write_bytes(b"other")
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [None, None]


@pytest.mark.parametrize("kind", ["conll", "jsonl", "squad", "tsv"])
def test_any_source_of_files_reads_it(kind: str, server: Server, tmp_path: Path) -> None:
    contents = {
        "conll": b"a\tO\n",
        "jsonl": b'{"a": 1}\n',
        "squad": json.dumps({"data": [{"paragraphs": [{"context": "", "qas": []}]}]}).encode(),
        "tsv": b"a\tb\n1\t2\n",
    }
    server.content = gzip.compress(contents[kind])
    (tmp_path / "a.gz").write_bytes(server.content)
    local = SOURCES[kind].model_validate({"type": kind, "files": {"train": "a.gz"}})
    wanted = [row for _, piece in local.read(tmp_path) for row in piece.read(1).to_pylist()]
    sha256 = hashlib.sha256(server.content).hexdigest()
    assert read(tmp_path, server.url("/x/a.gz?v=1"), sha256, type=kind) == wanted


def test_options_of_the_format_hold_and_its_faults_name_the_address(
    server: Server, tmp_path: Path
) -> None:
    rows = read(tmp_path, server.url(), column_names=["a", "b"])
    assert rows[0] == {"a": "text", "b": "label"}
    code, message = refusal(InputError, tmp_path, server.url(), column_names=["a"])
    assert code == "E303"
    assert message.startswith(f"{server.url()}, row 1: 2 fields")


def test_it_depends_on_the_packages_of_its_format_alone() -> None:
    for kind in ("csv", "squad"):
        source = SOURCES["url"].model_validate(options("https://x.org/a", type=kind))
        assert source.packages == SOURCES[kind].packages


# Connections that break off


def test_a_broken_download_goes_on(server: Server, tmp_path: Path) -> None:
    step = len(CONTENT) // 7
    server.behave = lambda handler, start: handler.give_from(start, start + step)
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [None, *(f"bytes={step * n}-" for n in range(1, 8))]


def test_a_download_goes_on_where_another_run_was_stopped(server: Server, tmp_path: Path) -> None:
    part_of(tmp_path).write_bytes(CONTENT[:HALF])
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [f"bytes={HALF}-"]
    assert kept(tmp_path) == ["reviews.csv"]


@pytest.mark.parametrize("left", [b"of another file", CONTENT + b"more", CONTENT, b""])
def test_what_was_left_is_used_only_if_it_fits(left: bytes, server: Server, tmp_path: Path) -> None:
    part_of(tmp_path).write_bytes(left)
    assert len(read(tmp_path, server.url())) == ROWS
    assert len(server.ranges) <= 2
    assert kept(tmp_path) == ["reviews.csv"]


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    stops = iter([HALF, 10, None])
    server.behave = lambda handler, _start: handler.give_from(0, next(stops))
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [None, f"bytes={HALF}-", "bytes=10-"]


def test_a_server_that_gives_another_range_is_not_believed(server: Server, tmp_path: Path) -> None:
    part_of(tmp_path).write_bytes(CONTENT[:HALF])

    def behave(handler: Handler, start: int) -> None:
        if start:
            handler.give(206, CONTENT, Content_Range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            handler.give_from(0)

    server.behave = behave
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [f"bytes={HALF}-", None]


def test_a_server_that_always_breaks_off_at_one_place_is_given_up(
    server: Server, tmp_path: Path
) -> None:
    server.behave = lambda handler, start: handler.give_from(start, HALF)
    code, message = refusal(EnvironmentFault, tmp_path, server.url())
    assert code == "E358"
    assert server.url() in message
    assert server.ranges == [None, *[f"bytes={HALF}-"] * 4]
    assert part_of(tmp_path).read_bytes() == CONTENT[:HALF], "kept for the next run"
    server.behave = lambda handler, start: handler.give_from(start)
    assert len(read(tmp_path, server.url())) == ROWS


@pytest.mark.parametrize("ranges", [True, False])
def test_a_promise_of_more_than_there_is_does_no_harm(
    ranges: bool, server: Server, tmp_path: Path
) -> None:
    def behave(handler: Handler, start: int) -> None:
        if ranges and start:
            handler.give_from(start)
        else:
            handler.give(200, CONTENT, len(CONTENT) + 1000)

    server.behave = behave
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [None]


def test_a_promise_of_less_than_there_is_is_another_file(server: Server, tmp_path: Path) -> None:
    server.behave = lambda handler, _start: handler.give(200, CONTENT, 100)
    code, message = refusal(InputError, tmp_path, server.url())
    assert code == "E357"
    assert "(100 bytes)" in message


def test_a_length_that_is_not_told_is_not_needed(server: Server, tmp_path: Path) -> None:
    server.behave = lambda handler, _start: handler.give(200, CONTENT, None)
    assert len(read(tmp_path, server.url())) == ROWS


def test_bytes_that_are_called_packed_are_taken_as_they_are(server: Server, tmp_path: Path) -> None:
    """Some servers say so of every `.gz`."""
    server.content = gzip.compress(CONTENT)
    sha256 = hashlib.sha256(server.content).hexdigest()
    server.behave = lambda handler, _start: handler.give(
        200, server.content, Content_Encoding="gzip"
    )
    assert len(read(tmp_path, server.url("/a.csv.gz"), sha256)) == ROWS


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(status: int, server: Server, tmp_path: Path) -> None:
    answers = iter([status, status, 200])

    def behave(handler: Handler, start: int) -> None:
        answer = next(answers)
        handler.give(answer, CONTENT if answer == 200 else b"busy")

    server.behave = behave
    assert len(read(tmp_path, server.url())) == ROWS
    server.behave = lambda handler, _start: handler.give(status, b"busy")
    code, message = refusal(EnvironmentFault, tmp_path / "other", server.url())
    assert code == "E358"
    assert f"the server says {status}" in message


def test_a_server_that_is_not_there_is_told(server: Server, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, message = refusal(EnvironmentFault, tmp_path, f"http://127.0.0.1:{port}/a.csv")
    assert code == "E358"
    assert f"http://127.0.0.1:{port}/a.csv cannot be fetched" in message


def test_a_server_that_says_nothing_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_module, "TIMEOUT", 0.1)
    monkeypatch.setattr(url_module, "DELAYS", (0.0,))
    server.behave = lambda _handler, _start: time.sleep(0.5)
    assert refusal(EnvironmentFault, tmp_path, server.url())[0] == "E358"


# Other answers


def test_another_file_is_refused_with_both_digests(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>log in</html>"
    code, message = refusal(InputError, tmp_path, server.url())
    assert code == "E357"
    assert SHA in message
    assert hashlib.sha256(server.content).hexdigest() in message
    assert kept(tmp_path) == []


@pytest.mark.parametrize(("status", "what"), [(404, "404"), (410, "410"), (403, "403"), (204, "")])
def test_a_file_that_the_server_has_not_is_told_at_once(
    status: int, what: str, server: Server, tmp_path: Path
) -> None:
    server.behave = lambda handler, _start: handler.give(status, b"")
    code, message = refusal(InputError, tmp_path, server.url())
    assert code == "E356"
    assert f"the server says {what}" in message
    assert server.ranges == [None]


def redirect(target: str) -> Behave:
    def behave(handler: Handler, start: int) -> None:
        if handler.path == "/reviews.csv":
            handler.give(302, b"", Location=target)
        else:
            handler.give_from(start)

    return behave


def test_redirects_are_followed_and_the_first_address_names_the_file(
    server: Server, tmp_path: Path
) -> None:
    server.behave = redirect("/elsewhere/1234?signature=x")
    part_of(tmp_path).write_bytes(CONTENT[:HALF])
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [f"bytes={HALF}-"] * 2
    assert kept(tmp_path) == ["reviews.csv"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/reviews.csv"])
def test_redirects_that_lead_nowhere_are_told(target: str, server: Server, tmp_path: Path) -> None:
    server.behave = redirect(target)
    code, message = refusal(InputError, tmp_path, server.url())
    assert code == "E356"
    assert "leads nowhere" in message


def test_ctrl_c_keeps_what_has_come(server: Server, tmp_path: Path) -> None:
    def behave(handler: Handler, start: int) -> None:
        handler.give_from(start, HALF)
        time.sleep(10)

    server.behave = behave
    program = (
        "import json, sys; from pathlib import Path; from bertspec.catalog.sources import SOURCES\n"
        "source = SOURCES['url'].model_validate(json.loads(sys.argv[2]))\n"
        "list(source.read(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path), json.dumps(options(server.url()))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not server.ranges and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert part_of(tmp_path).read_bytes() == CONTENT[:HALF]
    server.behave = lambda handler, start: handler.give_from(start)
    assert len(read(tmp_path, server.url())) == ROWS
    assert server.ranges == [None, f"bytes={HALF}-"]


# The spec


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.org/a/b%20c.csv.gz?d=e.f#g", "b_c.csv.gz"),
        ("https://x.org/..%2f..%2fetc/%2e%2e", "file"),
        ("https://x.org/a/..%2fpasswd", "passwd"),
        ("https://x.org/%00%0a*[1].csv", "____1_.csv"),
        ("https://x.org", "file"),
        ("https://x.org/.hidden", "hidden"),
        ("https://x.org/" + "a" * 300 + ".csv", "a" * 96 + ".csv"),
    ],
)
def test_an_address_gives_a_harmless_name(url: str, name: str) -> None:
    assert url_module._file_name(url) == name


@pytest.mark.parametrize(
    "changed",
    [
        options("ftp://x.org/a.csv"),
        options("file:///etc/passwd"),
        options("https://user:secret@x.org/a.csv"),
        options("https://x.org/a.csv?v=1&X-Amz-Signature=abc"),
        options("https://x.org/a.csv?token=abc"),
        options("https://x.org/a.csv?v=1;sig=abc#b"),
        options("https:///a.csv"),
        options("https://x.org/a b.csv"),
        options("https://x.org/a.csv", "0" * 63),
        options("https://x.org/a.csv", SHA.upper()),
        options("https://x.org/a.csv", type="url"),
        options("https://x.org/a.csv", type="hub"),
        options("https://x.org/a.csv", files={"train": "a.csv"}),
        options("https://x.org/a.csv", delimiter=";", colum_names=["a"]),
        options("https://x.org/a.csv") | {"files": {}},
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SOURCES["url"].model_validate(changed)
