"""What holds for every request: limits of size and time, headers, and that it is counted."""

import asyncio
from time import monotonic

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bertspec.runtime.serving.batching import Batcher
from bertspec.runtime.serving.limits import Limits
from bertspec.runtime.serving.metrics import Metrics

MEASURED = "/predict"
"""The path of the requests that the metrics are about."""

LEFT = "left"
"""In the state of a request whose client has gone before it had an answer."""

_CLIENT_LEFT = 499
"""Its status in the metrics, as nginx has it; nobody gets a response."""

_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Guard:
    """ASGI middleware of a server that takes HTTP alone."""

    def __init__(self, app: ASGIApp, batcher: Batcher, metrics: Metrics, limits: Limits) -> None:
        self._app = app
        self._batcher = batcher
        self._metrics = metrics
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, began, state = 500, monotonic(), scope.setdefault("state", {})

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if self._batcher.stopping:
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, self._limited(scope, receive), noted)
        finally:
            if scope["path"] == MEASURED:
                self._metrics.requests.labels(str(_CLIENT_LEFT if LEFT in state else status)).inc()
                self._metrics.seconds.observe(monotonic() - began)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that raises HTTPException for a body which is too large (413) or slow (408)."""
        said = int(Headers(scope=scope).get("content-length", 0))
        size, whole, end = 0, False, monotonic() + self._limits.body_seconds

        def hold(size: int) -> None:
            if size > self._limits.max_body:
                raise HTTPException(413, f"the body has more than {self._limits.max_body} bytes")

        async def limited() -> Message:
            nonlocal size, whole
            hold(said)  # before any of it is read
            # Behind the body comes, at any time, that the client has gone.
            left = None if whole else end - monotonic()
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                most = self._limits.body_seconds
                raise HTTPException(408, f"the body did not come within {most:g} s") from None
            if message["type"] == "http.disconnect":
                scope["state"][LEFT] = True
            size += len(message.get("body", b""))  # it may come in pieces without a length
            hold(size)
            whole = not message.get("more_body", False)
            return message

        return limited
