"""The Hugging Face hub, as sources and bases use it: names there, and its faults as our errors."""

import errno
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Annotated, Literal

from pydantic import StringConstraints

from bertspec.catalog.floating import Floating
from bertspec.catalog.hub_client import bounded_client, no_address, unusable_endpoint
from bertspec.core.errors import (
    BertspecError,
    EnvironmentFault,
    InputError,
    reason,
    with_causes,
)
from bertspec.core.terminal import one_line
from bertspec.core.verbosity import is_quiet, is_verbose

HubId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")]
"""`name` or `owner/name`."""

Revision = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/+-]*$", max_length=255)
]
"""A commit, or what may move: a branch or a tag, of which the lock has the commit."""

REVISION = (
    "The commit to take, 40 hexadecimal digits; or a branch or a tag, such as `main`, which "
    "`bertspec lock` looks up, so that what is taken changes with the lock alone."
)

_COMMIT = re.compile(r"[0-9a-f]{40}")

STRANGE = (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError)
"""What the client raises for an answer that is none of a hub, such as a page for logging in."""

NO_HUB = "does HF_ENDPOINT name a hub, and not a page before it?"

_DISK = (errno.ENOSPC, errno.EDQUOT)


def floating_revision(
    kind: Literal["models", "datasets"], id: str, revision: str
) -> Sequence[Floating]:
    """What the lock must fix of a repository: nothing where the revision is a commit."""
    if _COMMIT.fullmatch(revision):
        return ()
    name = f"{kind}/{id}@{revision}"
    return (Floating("hub", name, ("revision",), lambda _: _commit(kind, id, revision)),)


def pinned_revision(floating: Sequence[Floating], pins: Mapping[str, str]) -> dict[str, str]:
    """The revision to take in the place of a floating one, if `pins` has it."""
    return next(({"revision": pins[f.name]} for f in floating if f.name in pins), {})


def _commit(kind: str, id: str, revision: str) -> str:
    from huggingface_hub import HfApi

    type_, what = ("model", "model") if kind == "models" else ("dataset", "data set")
    what = f"{what} {id}"
    with hub_faults(what, revision, advice=_LOOKED_UP):
        try:
            found = HfApi().repo_info(id, repo_type=type_, revision=revision)
        except STRANGE as error:
            raise _no_hub(what, reason(error)) from None
        if not _COMMIT.fullmatch(str(found.sha)):
            raise _no_hub(what, f"{one_line(str(found.sha))[:_LONGEST]} is no commit")
    return str(found.sha)


_CACHED = "check the network, the proxy and HF_ENDPOINT; what is cached already needs none"
_LOOKED_UP = (
    "check the network, the proxy and HF_ENDPOINT; a commit in the spec or the lock is not looked "
    "up, and `bertspec lock` without `--upgrade` asks for nothing that the lock has"
)
_LONGEST = 100


@contextmanager
def hub_faults(what: str, revision: str, *, advice: str = _CACHED) -> Iterator[None]:
    """Raise InputError (E306) for what the hub has not, EnvironmentFault (E505) for no hub, or an
    HF_ENDPOINT that is none.

    It is not waited for for ever, nor followed to another host (E477). `advice` is for no hub.
    """
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE and (endpoint := unusable_endpoint()) is not None:
        raise no_address("E505", endpoint)
    try:
        with bounded_client():
            yield
    except Exception as error:
        told = _fault(what, revision, error, advice)
        if told is None:
            raise
        raise told from None


def _fault(what: str, revision: str, error: Exception, advice: str) -> BertspecError | None:
    from huggingface_hub import errors

    for cause in with_causes(error):  # what the client raises may be around our own
        if isinstance(cause, BertspecError):
            return cause
    if isinstance(error, errors.LocalEntryNotFoundError):
        # It is an EntryNotFoundError, and means that the hub was not reached.
        return _unreachable(what, error, advice)
    if isinstance(
        error,
        (
            errors.RepositoryNotFoundError,
            errors.RevisionNotFoundError,
            errors.EntryNotFoundError,
        ),
    ):
        return InputError.of(
            "E306",
            f"{what} at {revision} is not on the hub: {reason(error)}",
            "check the id and the revision; for a private one set HF_TOKEN",
        )
    if isinstance(error, (FileNotFoundError, ValueError)):
        # load_dataset's own: no data files, an unknown configuration, a script.
        text = " ".join(str(error).split())
        return InputError.of(
            "E306", f"{what} at {revision}: {text}", "check the id and the configuration"
        )
    transport = errors.HfHubHTTPError.__bases__[0]  # HTTPError of httpx or httpx2
    if isinstance(error, (OSError, transport)):
        if getattr(error, "filename", None) or getattr(error, "errno", None) in _DISK:
            return None  # the disk is at fault, not the hub
        return _unreachable(what, error, advice)
    return None


def _unreachable(what: str, error: Exception, advice: str) -> BertspecError:
    return EnvironmentFault.of("E505", f"{what} cannot be fetched: {reason(error)}", advice)


def _no_hub(what: str, said: str) -> BertspecError:
    text = f"{what} cannot be looked up, the answer is none of a hub: {said}"
    return EnvironmentFault.of("E505", text, NO_HUB)


def quiet_unless_terminal(silence: Callable[[], object]) -> None:
    """Call a library's switch for its progress bars when no person is watching, or wants none."""
    if not is_verbose() and (is_quiet() or not sys.stderr.isatty()):
        silence()
