"""Text of a user, a library or a server without the secrets that may stand in it."""

import re

HIDDEN = "***"

_NAMES = (
    "access_token|api_?key|auth|auth_token|awsaccesskeyid|client_secret|job_token|passwd|password|"
    "private_token|pwd|secret|sig|signature|token|x-(?:amz|goog)-(?:credential|security-token|"
    "signature)|x-api-key"
)
"""Parameters of an address that let whoever has it in."""

_PARAMETER = re.compile(rf"(?<=[?&;])({_NAMES})=([^\s&;#'\"<>`]+)", re.IGNORECASE)

_LOGIN = re.compile(r"(?<=://)([^/?#\s@'\"<>`]+)(?=@)")
"""User name and password in an address."""

_TOKEN = re.compile(r"\b((?:hf_|api_org_)[A-Za-z0-9]{16,})")
"""Those of Hugging Face."""


def without_secrets(text: str, *secrets: str, same_length: bool = False) -> str:
    """`text` without passwords and signatures in addresses, tokens of the hub, and `secrets`.

    With `same_length` what follows stays at its column.
    """

    def hidden(found: re.Match[str]) -> str:
        last = found.lastindex or 0
        shown = "*" * len(found[last]) if same_length else HIDDEN
        return found[0][: found.start(last) - found.start()] + shown

    known = [re.compile(re.escape(secret)) for secret in secrets if secret]
    for pattern in (*known, _LOGIN, _PARAMETER, _TOKEN):
        text = pattern.sub(hidden, text)
    return text


def secret_parameter(address: str) -> str | None:
    """Name of a parameter of the address that is a password or a signature."""
    found = _PARAMETER.search(address)
    return found[1] if found else None
