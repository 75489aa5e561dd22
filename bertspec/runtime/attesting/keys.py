"""Keys for signing and checking, as PEM files, through cryptography and securesystemslib."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.core.errors import BertspecError, InputError, reason
from bertspec.core.packages import installed_versions

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from securesystemslib.signer import CryptoSigner, SSlibKey

PASSWORD = "BERTSPEC_KEY_PASSWORD"
"""The environment variable with the password of a private key that is encrypted."""

_PRIVATE = (
    "give a private key in PEM, Ed25519, ECDSA, RSA or ML-DSA, such as "
    "`openssl genpkey -algorithm ed25519 -out key.pem` writes it"
)
_PUBLIC = (
    "give the public key in PEM, which `openssl pkey -in key.pem -pubout -out public.pem` writes"
)


def private_key(path: Path, ask: Callable[[], str]) -> "CryptoSigner":
    """The signer of a private key; `ask` is for the password of one that is encrypted.

    Raises InputError: E462 for a file without such a key, E463 for a wrong password; and
    EnvironmentFault (E502) where securesystemslib is missing.
    """
    installed_versions(["securesystemslib"])
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    content = path.read_bytes()
    try:
        try:
            key = load_pem_private_key(content, None)
        except TypeError:  # how cryptography says that it is encrypted
            key = _decrypted(content, path, ask())
        return CryptoSigner(key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(path, "private", error, _PRIVATE) from None


def _decrypted(content: bytes, path: Path, password: str) -> "PrivateKeyTypes":
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(content, password.encode())
    except (TypeError, ValueError):
        raise InputError.of(
            "E463", f"the password is not that of {path}", f"type it again, or set {PASSWORD}"
        ) from None


def public_key(path: Path) -> "SSlibKey":
    """Raises InputError (E462) for a file without one, and EnvironmentFault (E502) as above."""
    installed_versions(["securesystemslib"])
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(path, "public", error, _PUBLIC) from None


def _unusable(path: Path, kind: str, error: Exception, advice: str) -> BertspecError:
    return InputError.of("E462", f"{path} has no {kind} key: {reason(error)}", advice)
