"""A server: its socket, its threads, and how it stops."""

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bertspec.core.errors import Interrupted
from bertspec.runtime.predict import Predictor
from bertspec.runtime.serving.answering import answer_each
from bertspec.runtime.serving.app import make_app
from bertspec.runtime.serving.batching import Batcher
from bertspec.runtime.serving.limits import Limits
from bertspec.runtime.serving.listening import listen
from bertspec.runtime.serving.metrics import Metrics

MAX_HEAD = 16 * 1024
"""Bytes of a request line and headers that are kept while they have not come whole."""

_LAST_REQUESTS = 0.2
"""Seconds in which open connections are still read: time for a request to come that was sent."""


class Service:
    """An exported model behind HTTP, on a socket that listens from the start.

    Port 0 is any that is free. Raises EnvironmentFault (E503) for an address that cannot be had.
    """

    def __init__(
        self, name: str, predictor: Predictor, host: str, port: int, limits: Limits
    ) -> None:
        self._socket = listen(host, port)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        metrics = Metrics()
        self._batcher = Batcher(
            partial(answer_each, predictor), limits, metrics.batches.observe, ended=self.stop
        )
        metrics.queue.set_function(self._batcher.waiting)
        app = make_app(name, predictor, self._batcher, metrics, limits)
        config = uvicorn.Config(
            app, http=_Http, ws="none", h11_max_incomplete_event_size=MAX_HEAD, lifespan="off",
            log_level="warning", access_log=False, server_header=False,
        )  # fmt: skip
        self._server = _Server(config, self._batcher)

    def run(self) -> None:
        """Serve until `stop`, or SIGINT or SIGTERM in the main thread.

        Then no connection is accepted, and every request over those that were is answered before it
        returns. A second SIGINT does not wait, and ends as Interrupted. Where the thread that
        predicts dies, the server stops, and what it died of is raised.
        """
        with self._batcher:
            self._server.run(sockets=[self._socket])
        if self._server.force_exit:
            raise Interrupted("requests that waited have no answer")

    def stop(self) -> None:
        self._server.should_exit = True

    def run_until_signal(self) -> None:
        """`run`, after which the process goes on as after any other call."""
        # uvicorn, when it is done, raises the signal again for the handlers of before.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stop())
        self.run()


class _Http(H11Protocol):
    """httptools, which uvicorn takes where it is installed, reads headers without end."""

    def _unsupported_upgrade_warning(self) -> None:
        """A request to go on as a WebSocket is answered as any other, and no matter for the log."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, batcher: Batcher) -> None:
        super().__init__(config)
        self._batcher = batcher

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was sent before, too; uvicorn closes connections that it has not read yet."""
        self._batcher.hurry()
        waiting = [each for listening in sockets or [] for each in _accept_all(listening)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for each in waiting:
            await loop.connect_accepted_socket(self._protocol, each)
        if not self.force_exit:
            await asyncio.sleep(_LAST_REQUESTS)
        await super().shutdown(sockets)
        if self.force_exit:  # the requests that are left are cancelled, each with a traceback
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    def _protocol(self) -> asyncio.Protocol:
        """As uvicorn makes one for each connection."""
        return self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn itself says
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _accept_all(listening: socket.socket) -> Iterator[socket.socket]:
    """Connections that the system has made and nobody accepted; closing would reset them."""
    with suppress(OSError):
        while True:
            yield listening.accept()[0]
