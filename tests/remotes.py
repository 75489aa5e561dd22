"""Remotes of DVC: each kind that a server can be had of here."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Place:
    """An address, and what DVC needs beside it."""

    url: str
    options: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    pushed_to: str | None = None
    """Where what it has is pushed to, for one that can only be read."""


@contextmanager
def _folder(folder: Path) -> Iterator[Place]:
    yield Place(str(folder))


@contextmanager
def _s3(folder: Path) -> Iterator[Place]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "anybody", "aws_secret_access_key": "nothing"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="bucket")
    try:
        yield Place(
            "s3://bucket/store",
            {"endpointurl": url, "region": "us-east-1"},
            {name.upper(): value for name, value in keys.items()},
        )
    finally:
        server.stop()


@contextmanager
def _webdav(folder: Path) -> Iterator[Place]:
    from cheroot.wsgi import Server
    from wsgidav.wsgidav_app import WsgiDAVApp

    (folder / "store").mkdir(parents=True)
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": {"*": True}},
            "logging": {"enable": False},
            "verbose": 0,
        }
    )
    server = Server(("127.0.0.1", 0), app)
    server.prepare()
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield Place(f"webdav://127.0.0.1:{server.bind_addr[1]}/store")
    finally:
        server.stop()
        thread.join()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _http(folder: Path) -> Iterator[Place]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=folder)) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield Place(f"http://127.0.0.1:{server.server_port}", pushed_to=str(folder))
        server.shutdown()
        thread.join()


REMOTES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "folder": _folder, "s3": _s3, "webdav": _webdav, "http": _http,
}  # fmt: skip
