"""What a hub refuses of a push, and a connection that is lost, as errors for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bertspec.catalog.hub import NO_HUB, STRANGE
from bertspec.core.errors import BertspecError, EnvironmentFault, InputError
from bertspec.core.redaction import without_secrets
from bertspec.core.terminal import one_line

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_LONGEST = 300
"""Characters of what a server says: some say a whole page."""

_AGAIN = (
    "check the network, the proxy and HF_ENDPOINT, and run it again: a commit has all files or "
    "none, and what has arrived is not sent twice"
)


@contextmanager
def push_faults(repo: str, token: str) -> Iterator[None]:
    """Raise EnvironmentFault or InputError, E472 to E475, for what goes wrong inside.

    `token` is cut out of every message, and so is what signs an address.
    """
    try:
        yield
    except BertspecError:
        raise
    except Exception as error:
        told = _fault(repo, token, error)
        if told is None:
            raise
        raise told from None


def _fault(repo: str, token: str, error: Exception) -> BertspecError | None:
    from huggingface_hub.errors import HfHubHTTPError

    cause: BaseException | None = error
    while isinstance(cause, RuntimeError) and cause.__cause__:  # of a thread that sent a file
        cause = cause.__cause__
    if isinstance(cause, BertspecError):
        return cause
    if isinstance(cause, HfHubHTTPError):
        return _refusal(repo, token, cause)
    said = _shown(str(cause) or type(cause).__name__, token)
    transport = HfHubHTTPError.__bases__[0]  # HTTPError of httpx or httpx2, whichever it uses
    broken = (transport, OSError, RuntimeError)  # the latter two are hf_xet's
    if isinstance(cause, broken) and not getattr(cause, "filename", None):
        advice = f"where the hub has no Xet, set HF_HUB_DISABLE_XET=1; {_AGAIN}"
        return EnvironmentFault.of(
            "E473",
            f"the connection to the hub failed: {said}",
            advice if "xet" in said else _AGAIN,
        )
    if isinstance(cause, STRANGE):
        return InputError.of("E475", f"the answer is none of a hub: {said}", NO_HUB)
    if isinstance(cause, ValueError):
        return InputError.of("E475", f"the hub does not take {repo}: {said}", _advice(400))
    return None


def _refusal(repo: str, token: str, error: "HfHubHTTPError") -> BertspecError:
    """An answer of the hub that is an error."""
    from huggingface_hub import constants

    response = error.response
    status = response.status_code
    said = _shown(error.server_message or response.reason_phrase or str(status), token)
    if response.url.host != urlsplit(constants.ENDPOINT).hostname and status in (401, 403, 404):
        # It takes what the hub has signed for it, for a while.
        return EnvironmentFault.of(
            "E473", f"{response.url.host} does not take a file: {said}", _AGAIN
        )
    if status == 401:  # noqa: PLR2004
        return EnvironmentFault.of(
            "E472",
            f"the hub does not take the token: {said}",
            "has it expired? Run `hf auth login`, or set HF_TOKEN to another that may write",
        )
    if status in (402, 413, 507) or (status == 403 and "storage" in said.lower()):  # noqa: PLR2004
        return EnvironmentFault.of(
            "E474",
            f"the hub has no room for {repo}: {said}",
            "make room on the hub, or export fewer or smaller models",
        )
    if status == 403:  # noqa: PLR2004
        return EnvironmentFault.of(
            "E472",
            f"the token has no right to write to {repo}: {said}",
            "is the owner right? Set HF_TOKEN to a token that may write there; without the right, "
            "--create-pr proposes the change",
        )
    if status in (408, 425, 429) or status >= 500:  # noqa: PLR2004
        return EnvironmentFault.of("E473", f"the hub is busy or broken ({status}): {said}", _AGAIN)
    return InputError.of(
        "E475", f"the hub does not take {repo} ({status}): {said}", _advice(status)
    )


def _advice(status: int) -> str:
    if status == 404:  # noqa: PLR2004
        return "check OWNER/NAME and --revision"
    if status in (409, 412):
        return "somebody else changed it at the same time: run it again"
    return "change what the hub names, and run it again"


def _shown(text: str, token: str) -> str:
    line = one_line(without_secrets(text, token))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
