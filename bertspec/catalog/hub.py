"""The Hugging Face hub, as sources and bases use it: names there, and its faults as our errors."""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import StringConstraints

from bertspec.core.errors import BertspecError, EnvironmentFault, InputError, reason

HubId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")]
"""`name` or `owner/name`."""

Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
"""A commit. A branch or a tag may move, and would make the build depend on the day."""


@contextmanager
def hub_faults(what: str, revision: str) -> Iterator[None]:
    """Raise InputError (E306) for what the hub has not, EnvironmentFault (E505) for no hub."""
    from huggingface_hub import errors

    try:
        yield
    except errors.LocalEntryNotFoundError as error:
        # It is an EntryNotFoundError, and means that the hub was not reached.
        raise _unreachable(what, error) from None
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.EntryNotFoundError,
    ) as error:
        raise InputError.of(
            "E306",
            f"{what} at {revision} is not on the hub: {reason(error)}",
            "check the id and the revision; for a private one set HF_TOKEN",
        ) from None
    except (FileNotFoundError, ValueError) as error:
        # load_dataset's own: no data files, an unknown configuration, a script.
        text = " ".join(str(error).split())
        raise InputError.of(
            "E306", f"{what} at {revision}: {text}", "check the id and the configuration"
        ) from None
    except (OSError, errors.HfHubHTTPError) as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or error.filename:
            raise  # the disk is at fault, not the hub
        raise _unreachable(what, error) from None


def _unreachable(what: str, error: Exception) -> BertspecError:
    return EnvironmentFault.of(
        "E505",
        f"{what} cannot be fetched: {reason(error)}",
        "check the network, the proxy and HF_ENDPOINT; what is cached already needs none",
    )


def quiet_unless_terminal(silence: Callable[[], object]) -> None:
    """Call a library's switch for its progress bars when no person is watching."""
    if not sys.stderr.isatty():
        silence()
