"""The hub that the environment names, and the token for it."""

import re

from bertspec.catalog.hub_client import is_address, no_address
from bertspec.core.errors import EnvironmentFault


def hub_token() -> str:
    """The token of the environment or of `hf auth login`; it is shown nowhere.

    Raises EnvironmentFault: E472 where there is none that can be sent, E473 when all is offline.
    """
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import OIDCError

    if constants.HF_HUB_OFFLINE:
        raise EnvironmentFault.of(
            "E473",
            "HF_HUB_OFFLINE is set, so nothing is sent to the hub",
            "unset it (and TRANSFORMERS_OFFLINE), or look at what would be sent with --dry-run",
        )
    try:
        token = get_token()
    except OIDCError:
        token = None
    if token is None:
        raise EnvironmentFault.of(
            "E472",
            "there is no token of the hub here",
            "run `hf auth login`, or set HF_TOKEN to a token that may write",
        )
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise EnvironmentFault.of(
            "E472",
            "the token of the hub has characters that no token has",
            "set HF_TOKEN to the token alone, without spaces or quotes, or run `hf auth login`",
        )
    return token


def require_address(endpoint: str) -> None:
    """Raise EnvironmentFault (E473) unless HF_ENDPOINT is an address."""
    if not is_address(endpoint):
        raise no_address("E473", endpoint)
