"""The server of the pages: on 127.0.0.1 alone, until Ctrl-C."""

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from bertspec.runtime.serving.listening import listen
from bertspec.ui.app import make_app

_HOST = "127.0.0.1"

_LAST_PAGE = 1
"""Seconds in which a page that is being made may still be sent."""


class Service:
    """Listens from the start. Port 0 is any that is free.

    Raises EnvironmentFault (E464) for a port that cannot be had.
    """

    def __init__(self, root: Path, port: int) -> None:
        advice = "choose another --port; with --port 0 it is one that is free"
        self._socket = listen(_HOST, port, "E464", advice)
        self.url = f"http://{_HOST}:{self._socket.getsockname()[1]}"
        self._root = root
        self._server: _Server | None = None
        self._is_stopped = False

    def run(self) -> None:
        """Serve until `stop`, or a signal in the main thread."""
        # A page that is still being made at the end may write to the folder.
        with TemporaryDirectory(prefix="bertspec-ui-", ignore_cleanup_errors=True) as folder:
            config = uvicorn.Config(
                make_app(self._root, Path(folder)), lifespan="off", ws="none",
                log_level="warning", access_log=False, server_header=False,
                timeout_graceful_shutdown=_LAST_PAGE,
            )  # fmt: skip
            self._server = _Server(config)
            self._server.should_exit = self._is_stopped
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `run`, also one that has not begun."""
        self._is_stopped = True
        if self._server:
            self._server.should_exit = True

    def run_until_signal(self) -> None:
        """`run`; Ctrl-C, SIGTERM and the end of the terminal are its usual end, and with it that of
        the process.
        """
        # uvicorn, when it is done, raises the signal again for the handlers of before.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):  # nohup
                signal.signal(number, lambda *_: self.stop())
        self.run()
        if threading.active_count() > 1:  # such a page is a thread that Python would wait for
            sys.stdout.flush()
            os._exit(0)


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """A page that is not made in time is nobody's loss, and no error to tell of."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
