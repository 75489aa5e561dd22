"""The HTTP client of `huggingface_hub`, bounded: it does not wait for ever, nor leave the hub."""

import logging
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from bertspec.core.errors import BertspecError, EnvironmentFault, reason, with_causes
from bertspec.core.redaction import HIDDEN, without_secrets
from bertspec.core.terminal import one_line

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as lost. The library waits for ever."""

_WAITS = ("connect", "read", "write", "pool")

_FILE = "/resolve/"
"""In the path of a file's content, which the hub keeps on other hosts."""

_LIBRARIES = ("huggingface_hub", "transformers", "datasets", "httpx", "httpx2")
"""Those that read HF_ENDPOINT, and those that are given it."""


def is_address(endpoint: str) -> bool:
    """Whether a hub can be asked there, as far as the text tells."""
    if re.search(r"[\s\x00-\x1f\x7f]", endpoint):
        return False
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is none
        return False


def unusable_endpoint() -> str | None:
    """What HF_ENDPOINT says, where it is no address: then the libraries of the hub, and all that
    import them, raise on import, or at the first request, what does not name it.
    """
    said = os.environ.get("HF_ENDPOINT")
    return said if said is not None and not is_address(said) else None


def no_address(code: str, endpoint: str) -> BertspecError:
    """What is told of an HF_ENDPOINT that `is_address` does not hold for.

    Where it is malformed nobody knows where a password in it begins, so of what is before the last
    `@` nothing is shown.
    """
    _, login, place = endpoint.rpartition("@")
    shown = one_line(without_secrets(f"{HIDDEN}@{place}" if login else place))
    return EnvironmentFault.of(
        code,
        f"HF_ENDPOINT is no address: {shown or 'it is empty'}",
        "set it to one such as https://huggingface.co, or unset it",
    )


def is_of_hub(error: BaseException) -> bool:
    """Whether it, or what led to it, was raised in a library that reads HF_ENDPOINT."""
    return any(
        str(frame.f_globals.get("__name__")).partition(".")[0] in _LIBRARIES
        for cause in with_causes(error)
        for frame, _ in traceback.walk_tb(cause.__traceback__)
    )


@contextmanager
def bounded_client() -> Iterator[None]:
    """Requests of `huggingface_hub` end after TIMEOUT, and follow the hub to no other host.

    Raises EnvironmentFault (E477) for a hub that sends them to one: what is asked and sent there
    is not for it, and what it answers is not the hub's word. Files are fetched from wherever the
    hub has them, but not without encryption where the hub itself has it. What the library logs
    has no passwords and signatures.
    """
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    before = _http._GLOBAL_CLIENT_FACTORY  # noqa: SLF001 - it can be set only

    def make() -> "httpx2.Client":
        client = before()
        hooks = client.event_hooks
        client.event_hooks = {
            "request": [*hooks["request"], _bound],
            "response": [*hooks["response"], _refuse_other_host],
        }
        return client

    handlers = logging.getLogger("huggingface_hub").handlers
    for handler in handlers:
        handler.addFilter(_hide_secrets)
    set_client_factory(make)
    try:
        yield
    finally:
        set_client_factory(before)
        for handler in handlers:
            handler.removeFilter(_hide_secrets)


def _hide_secrets(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_secrets(record.getMessage()), None
    return True


def _bound(request: "httpx2.Request") -> None:
    """Some calls of the library ask for no timeout, whatever the client's is."""
    asked = request.extensions.get("timeout", {})
    bounded = {n: TIMEOUT if asked.get(n) is None else asked[n] for n in _WAITS}
    request.extensions["timeout"] = bounded


def _refuse_other_host(response: "httpx2.Response") -> None:
    from huggingface_hub import constants

    if not response.has_redirect_location:
        return
    asked, hub = str(response.request.url), _origin(constants.ENDPOINT)
    host = _origin(asked)[1]
    try:
        told = _origin(urljoin(asked, response.headers["Location"]))
    except ValueError as error:  # such as a port that is none
        raise _refusal(f"{host} leads to no address: {reason(error)}") from None
    new_scheme, new_host, _ = told
    encrypted = new_scheme == "https"
    if hub[0] == "https" and not encrypted:  # wherever its files have led before
        raise _refusal(f"{host} leads to {new_scheme}://{new_host}, without encryption")
    moves_up = host == new_host and hub[0] == "http" and encrypted
    if _origin(asked) == hub and told != hub and not moves_up and _FILE not in urlsplit(asked).path:
        raise _refusal(
            f"the hub at {host} leads to another host, {new_scheme}://{new_host}, which is not "
            "asked"
        )


def _refusal(text: str) -> BertspecError:
    return EnvironmentFault.of(
        "E477",
        text,
        "is HF_ENDPOINT right, and is there a login page or a proxy between? If the hub has moved, "
        "set HF_ENDPOINT to its new address",
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    """Raises ValueError for an address that is none."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port
