"""Text of a user, a library or a server without the secrets that may stand in it."""

import re
from urllib.parse import unquote_plus

HIDDEN = "***"

_NAMES = re.compile(
    r"((access|auth|id|job|private|refresh|security|session)[_-]?)?token"
    r"|((access|api|auth|private|secret|subscription)[_-]?)?key|awsaccesskeyid|auth"
    r"|((client|shared)[_-]?)?secret|passwd|password|pwd|sig|signature|x-api-key"
    r"|x-(amz|goog)-(credential|security-token|signature)",
    re.IGNORECASE,
)
"""Parameters of an address that let whoever has it in."""

_PARAMETER = re.compile(r"(?<=[?&;#])([^\s=?&;#'\"<>`]+)=([^\s&;#'\"<>`]+)")

_LOGIN = re.compile(r"(?<=://)([^/?#\s'\"<>`]+)(?=@)")
"""User name and password in an address. Either may have an `@` of its own."""

_TOKEN = re.compile(r"\b((?:hf_|api_org_)[A-Za-z0-9]{30,})")
"""Those of Hugging Face."""


def without_secrets(text: str, *secrets: str, same_length: bool = False) -> str:
    """`text` without passwords and signatures in addresses, tokens of the hub, and `secrets`.

    With `same_length` what follows stays at its column.
    """

    def hidden(found: re.Match[str]) -> str:
        if found.re is _PARAMETER and not _is_secret(found):
            return found[0]
        last = found.lastindex or 0
        shown = "*" * len(found[last]) if same_length else HIDDEN
        return found[0][: found.start(last) - found.start()] + shown

    known = [re.compile(re.escape(secret)) for secret in secrets if secret]
    for pattern in (*known, _LOGIN, _PARAMETER, _TOKEN):
        text = pattern.sub(hidden, text)
    return text


def secret_parameter(address: str) -> str | None:
    """Name of a parameter of the address that is a password or a signature."""
    found = next(filter(_is_secret, _PARAMETER.finditer(address)), None)
    return unquote_plus(found[1]) if found else None


def _is_secret(parameter: re.Match[str]) -> bool:
    return _NAMES.fullmatch(unquote_plus(parameter[1])) is not None
