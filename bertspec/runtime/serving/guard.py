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

_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, batcher: Batcher, metrics: Metrics, limits: Limits) -> None:
        self._app = app
        self._batcher = batcher
        self._metrics = metrics
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size, whole, status, began = 0, False, 500, monotonic()

        def hold(size: int) -> None:
            if size > self._limits.max_body:
                raise HTTPException(413, f"the body has more than {self._limits.max_body} bytes")

        async def counted() -> Message:
            nonlocal size, whole
            hold(int(Headers(scope=scope).get("content-length", 0)))
            # Behind the body comes, at any time, that the client has gone.
            left = None if whole else began + self._limits.body_seconds - monotonic()
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                most = self._limits.body_seconds
                raise HTTPException(408, f"the body did not come within {most:g} s") from None
            size += len(message.get("body", b""))  # it may come in pieces without a length
            hold(size)
            whole = not message.get("more_body", False)
            return message

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
            await self._app(scope, counted, noted)
        finally:
            if scope["path"] == MEASURED:
                self._metrics.requests.labels(str(status)).inc()
                self._metrics.seconds.observe(monotonic() - began)
