"""A hub on 127.0.0.1: enough of the Hugging Face hub's HTTP API for its real clients.

Source of the protocol: huggingface_hub 2 (`hf_api.py`, `file_download.py`, `hf_file_system.py`).
"""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.waiting import PATIENCE

_API = re.compile(
    r"^/api/(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)"
    r"(?:/(?P<what>revision|tree|paths-info)/(?P<revision>[^/]+)(?:/(?P<path>.+))?)?$"
)
_FILE = re.compile(
    r"^/(?:(?P<kind>datasets)/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)$"
)
_RANGE = re.compile(r"^bytes=(\d+)-(\d*)$")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone: stderr is what the command under test says."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass
class Trouble:
    """An answer in place of the real one.

    Status 0: the connection ends without any; -1: it stays open, and nothing comes.
    """

    request: str
    """What the method and the path match."""
    status: int
    said: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    times: int = 1000


class HubServer:
    """Serves `<folder>/{models,datasets}/<owner>/<name>/` at one commit, which is also `main`.

    Point the clients at it through HF_ENDPOINT before they are imported.
    """

    def __init__(self, folder: Path, handler: "type[Handler] | None" = None) -> None:
        self.folder = folder
        self.commits: dict[str, Path] = {}
        self.refs: dict[str, str] = {}
        """Branches and tags: the commit of each. A test may move them."""
        self.commit = self.refs["main"] = self.add(folder)
        self.requests: list[str] = []
        """Method and path of every request, in order."""
        self.troubles: list[Trouble] = []
        bound = type("Handler", (handler or Handler,), {"hub": self})
        self._server = _Server(("127.0.0.1", 0), bound)
        # It looks every 0.02 s whether it is to end.
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def add(self, folder: Path) -> str:
        """Serve another state of the repositories as a commit of its own."""
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        content = [f"{p.relative_to(folder).as_posix()} {blob_id(p)}" for p in files]
        commit = hashlib.sha1("\n".join(content).encode()).hexdigest()  # noqa: S324 - as git
        self.commits[commit] = folder
        return commit

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def blob_id(path: Path) -> str:
    """A file's id as git has it; the hub's ETag of a file that is not in LFS."""
    return git_id(path.read_bytes())


def git_id(content: bytes) -> str:
    """How git names a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - as git


class NotFoundError(Exception):
    """A 404 with the hub's own X-Error-Code."""


class Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        # Read the body in any case: what stays unread would be taken for the next request.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append(f"{self.command} {self.path}")
        if not self._in_trouble():
            self.respond(body)

    def _in_trouble(self) -> bool:
        request = f"{self.command} {self.path}"
        for trouble in self.hub.troubles:
            if trouble.times and re.match(trouble.request, request):
                trouble.times -= 1
                if trouble.status < 0:
                    Event().wait(PATIENCE)  # in a thread that ends with the process
                if trouble.status > 0:
                    body = trouble.body or json.dumps({"error": trouble.said}).encode()
                    self.send(trouble.status, body, trouble.headers)
                else:
                    self.close_connection = True
                return True
        return False

    def respond(self, body: bytes) -> None:
        url = urlsplit(self.path)
        try:
            if match := _API.match(url.path):
                self.send_json(self.api(match, parse_qs(url.query), parse_qs(body.decode())))
            elif match := _FILE.match(url.path):
                kind = match["kind"] or "models"
                repo, commit = self.find(kind, match["repo"], unquote(match["revision"]))
                self.send_file(inside(repo, match["path"]), commit)
            else:
                self.send_not_found("NotFound")
        except NotFoundError as error:
            self.send_not_found(str(error))

    def find(self, kind: str, repo: str, revision: str) -> tuple[Path, str]:
        """The folder of a repository at a revision, and the commit that this is."""
        if ".." in repo or not (self.hub.folder / kind / repo).is_dir():
            raise NotFoundError("RepoNotFound")
        commit = self.hub.refs.get(revision, revision)
        if commit not in self.hub.commits:
            raise NotFoundError("RevisionNotFound")
        return self.hub.commits[commit] / kind / repo, commit

    def api(
        self, match: re.Match[str], query: Mapping[str, list[str]], form: Mapping[str, list[str]]
    ) -> Any:
        revision = unquote(match["revision"] or "main")
        repo, commit = self.find(match["kind"], match["repo"], revision)
        if match["what"] == "tree":
            folder = inside(repo, match["path"] or "")
            if not folder.is_dir():
                raise NotFoundError("EntryNotFound")
            recursive = query.get("recursive", ["false"])[0].lower() in ("true", "1")
            return [_entry(p, repo) for p in sorted(folder.glob("**/*" if recursive else "*"))]
        if match["what"] == "paths-info":
            paths = (inside(repo, path) for path in form.get("paths", []))
            return [_entry(path, repo) for path in paths if path.exists() and path != repo]
        files = sorted(p.relative_to(repo).as_posix() for p in repo.rglob("*") if p.is_file())
        return {
            "id": match["repo"],
            "sha": commit,
            "private": False,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": [{"rfilename": name} for name in files],
        }

    def send_not_found(self, code: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code}
        self.send(404, json.dumps({"error": code}).encode(), headers)

    def send_json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send_file(self, path: Path, commit: str) -> None:
        if not path.is_file():
            raise NotFoundError("EntryNotFound")
        content = path.read_bytes()
        headers = {
            "X-Repo-Commit": commit,
            "ETag": f'"{blob_id(path)}"',
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        wanted = _wanted_range(self.headers, len(content))
        if wanted is None:
            self.send(200, content, headers)
        elif wanted.start >= len(content):
            self.send(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
        else:
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{len(content)}"
            self.send(206, content[wanted.start : wanted.stop], headers)

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def inside(repo: Path, path: str) -> Path:
    """The file of a repository that a URL names; one that climbs out of it is not found."""
    resolved = (repo / unquote(path)).resolve()
    if not resolved.is_relative_to(repo.resolve()):
        raise NotFoundError("EntryNotFound")
    return repo / unquote(path)


def _entry(path: Path, repo: Path) -> dict[str, Any]:
    name = path.relative_to(repo).as_posix()
    if path.is_dir():
        tree = hashlib.sha1(name.encode()).hexdigest()  # noqa: S324 - only an id
        return {"type": "directory", "oid": tree, "size": 0, "path": name}
    return {"type": "file", "oid": blob_id(path), "size": path.stat().st_size, "path": name}


def _wanted_range(headers: Message, size: int) -> range | None:
    """The bytes that a Range header asks for; None for the whole file."""
    match = _RANGE.match(headers.get("Range") or "")
    if match is None:
        return None
    return range(int(match[1]), min(int(match[2]) + 1, size) if match[2] else size)
