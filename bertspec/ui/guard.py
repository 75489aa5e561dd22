"""What holds for every request and every answer: who may ask, and what a browser may do with it."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bertspec.core.diagnostics import Diagnostic, render

HOSTS = ("127.0.0.1", "localhost")
"""Names of this machine, at any port, as one may be forwarded. A page of a site whose name was made
to lead here (DNS rebinding) asks for the name of that site."""

METHODS = ("GET", "HEAD")

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """ASGI middleware around all else, so that answers to errors have the headers, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a web socket has no page, and is refused
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = _refused(scope["method"], Headers(scope=scope))
        await (refused or self._app)(scope, receive, with_headers)


def _refused(method: str, headers: Headers) -> PlainTextResponse | None:
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    if host.lower() not in HOSTS:
        return _refusal(421, f"`{host}` is no name of this machine", "ask for http://127.0.0.1")
    if method not in METHODS:
        return _refusal(405, "these pages can only be read", f"with {' or '.join(METHODS)}")
    # A page of another site may lead here by a link. It may not have pages made in the background.
    elsewhere = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    led = headers.get("sec-fetch-mode") == "navigate"
    in_a_window = headers.get("sec-fetch-dest", "document") == "document"  # and in no frame
    if elsewhere and not (led and in_a_window):
        return _refusal(403, "this was asked by a page of another site", "open the address itself")
    return None


def _refusal(status: int, message: str, advice: str) -> PlainTextResponse:
    said = render([Diagnostic("E465", message, advice)], "text")
    return PlainTextResponse(said, status, {"Allow": ", ".join(METHODS)})
